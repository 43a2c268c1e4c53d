//! Any text is split or refused, and a statement stays one statement.

#![no_main]

use libfuzzer_sys::fuzz_target;
use underpin_catalog::{Dialect, statement::split};

fuzz_target!(|text: &str| {
    for dialect in Dialect::ALL {
        let mut at = 0;
        for one in split(text, dialect).unwrap_or_default() {
            assert!(one.offset >= at);
            assert_eq!(&text[one.offset..one.offset + one.text.len()], one.text);
            at = one.offset + one.text.len();
            let again = split(one.text, dialect).expect("it was split before");
            assert_eq!(again.len(), 1, "{:?}", one.text);
            assert_eq!((again[0].text, again[0].kind), (one.text, one.kind));
        }
    }
});
