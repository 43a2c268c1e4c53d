//! Any bytes that come to the service's port are answered with what is wrong with them, or the connection
//! is closed: nothing panics, nothing hangs, and no answer is a failure of the service.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    underpin_fuzz::service().send(bytes);
});
