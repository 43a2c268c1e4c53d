//! Any text is a database URL or is refused, and neither shows the password.

#![no_main]

use libfuzzer_sys::{Corpus, fuzz_target};
use underpin_db::DatabaseUrl;

const SECRET: &str = "hunter2hunter2";

fuzz_target!(|parts: (&str, &str, &str)| -> Corpus {
    let (user, host, rest) = parts;
    // What stands before the `@` is user and password; a mistake there must not move the password
    // to a place that is printed.
    if [user, host, rest].iter().any(|part| part.contains(SECRET)) {
        return Corpus::Reject;
    }
    let text = format!("postgres://{user}:{SECRET}@{host}/{rest}");
    match text.parse::<DatabaseUrl>() {
        Ok(url) => {
            let shown = format!("{url} {url:?}");
            assert!(!shown.contains(SECRET), "{text:?} is shown as {shown}");
        }
        Err(error) => {
            let shown = format!("{error} {error:?}");
            assert!(!shown.contains(SECRET), "{text:?} is refused with {shown}");
        }
    }
    Corpus::Keep
});
