//! Any text is split or refused, a statement stays one statement, and between them is nothing.

#![no_main]

use libfuzzer_sys::fuzz_target;
use underpin_catalog::{Dialect, statement::split};

fuzz_target!(|text: &str| {
    for dialect in Dialect::ALL {
        let Ok(found) = split(text, dialect) else { continue };
        let mut at = 0;
        for one in found {
            assert_eq!(&text[one.offset..one.offset + one.text.len()], one.text);
            assert_eq!(one.line, 1 + text[..one.offset].matches('\n').count());
            assert_eq!(split(&text[at..one.offset], dialect), Ok(vec![]));
            at = one.offset + one.text.len();
            let again = split(one.text, dialect).expect("it was split before");
            assert_eq!(again.len(), 1, "{:?}", one.text);
            assert_eq!((again[0].text, again[0].kind), (one.text, one.kind));
        }
        assert_eq!(split(&text[at..], dialect), Ok(vec![]));
    }
});
