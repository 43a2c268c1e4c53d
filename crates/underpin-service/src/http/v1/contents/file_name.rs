//! The name of a file that is sent in a form: `filename` (RFC 7578, section 4.2), or `filename*`, which says
//! its charset (RFC 6266, in the form of RFC 8187).

use axum::http::{HeaderMap, HeaderValue, header};

use super::{Failure, fault};

/// The name that the head of a part gives its file. Where both are there, `filename*` counts: `filename` is for
/// those who cannot read it.
///
/// A part without a name is no file to the original, and a name that cannot be read is not guessed.
pub(super) fn file_name(head: &HeaderMap) -> Result<String, Failure> {
    let disposition = head.get(header::CONTENT_DISPOSITION);
    let parameters = parameters(disposition.map(HeaderValue::as_bytes).unwrap_or_default());
    let parameters = parameters.ok_or_else(|| unreadable("quotes around it, found one alone"))?;
    let value = |name: &str| {
        let is_it = |(known, _): &&(&[u8], Vec<u8>)| known.eq_ignore_ascii_case(name.as_bytes());
        parameters.iter().find(is_it).map(|(_, value)| value.clone())
    };
    let name = match (value("filename*"), value("filename")) {
        (Some(extended), _) => decoded(&extended)?,
        (None, Some(plain)) => {
            let in_utf_8 = "UTF-8, found other bytes: `filename*` may say another charset";
            String::from_utf8(plain).map_err(|_| unreadable(in_utf_8))?
        }
        (None, None) => String::new(),
    };
    if name.is_empty() {
        return Err(fault("missing", "expected a file with a name, found none: say `filename`"));
    }
    Ok(name)
}

fn unreadable(expected: &str) -> Failure {
    fault("string_unicode", &format!("expected the name of the file in {expected}"))
}

/// The parameters of a header, which follow its first semicolon; `None` where a quote has no end.
fn parameters(mut rest: &[u8]) -> Option<Vec<(&[u8], Vec<u8>)>> {
    let mut found = Vec::new();
    while let Some(at) = rest.iter().position(|byte| *byte == b';') {
        rest = &rest[at + 1..];
        let end = rest.iter().position(|byte| matches!(byte, b'=' | b';'));
        let Some(end) = end.filter(|end| rest[*end] == b'=') else { continue };
        let name = rest[..end].trim_ascii();
        let (value, after) = value(rest[end + 1..].trim_ascii_start())?;
        found.push((name, value));
        rest = after;
    }
    Some(found)
}

/// The value at the beginning of `text`, without its quotes, and what follows it. Of escapes browsers know that
/// of a quote alone: any other backslash is one of a path.
fn value(text: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let Some(mut rest) = text.strip_prefix(b"\"") else {
        let end = text.iter().position(|byte| *byte == b';').unwrap_or(text.len());
        return Some((text[..end].trim_ascii().to_vec(), &text[end..]));
    };
    let mut value = Vec::new();
    loop {
        let (byte, after) = match rest {
            [b'\\', b'"', after @ ..] => (b'"', after),
            [b'"', after @ ..] => return Some((value, after)),
            [byte, after @ ..] => (*byte, after),
            [] => return None,
        };
        value.push(byte);
        rest = after;
    }
}

/// What `UTF-8'de'na%C3%AFve.txt` says.
fn decoded(extended: &[u8]) -> Result<String, Failure> {
    let mut parts = extended.splitn(3, |byte| *byte == b'\'');
    let (Some(charset), Some(_language), Some(escaped)) =
        (parts.next(), parts.next(), parts.next())
    else {
        return Err(unreadable("`filename*` as `UTF-8''name`, found fewer than two quotes"));
    };
    let bytes = unescaped(escaped);
    let bytes = bytes.ok_or_else(|| unreadable("`filename*` with two digits after each `%`"))?;
    if charset.eq_ignore_ascii_case(b"UTF-8") {
        return String::from_utf8(bytes)
            .map_err(|_| unreadable("UTF-8, as `filename*` says, found other bytes"));
    }
    if charset.eq_ignore_ascii_case(b"ISO-8859-1") {
        return Ok(bytes.into_iter().map(char::from).collect());
    }
    Err(unreadable("`UTF-8` or `ISO-8859-1`, found another charset in `filename*`"))
}

/// `text` with the bytes that its percent signs stand for; `None` where one stands for none. Unlike
/// [`percent_decoded`](underpin_db::percent_decoded) this keeps bytes, for not all are UTF-8, and guesses none.
fn unescaped(text: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let mut bytes = Vec::new();
    let mut rest = text;
    loop {
        let (byte, after) = match rest {
            [b'%', high, low, after @ ..] => {
                (u8::try_from(digit(*high)? * 16 + digit(*low)?).ok()?, after)
            }
            [b'%', ..] => return None,
            [byte, after @ ..] => (*byte, after),
            [] => return Some(bytes),
        };
        bytes.push(byte);
        rest = after;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The name in such a head; `None` where it is refused.
    fn named(parameters: &[u8]) -> Option<String> {
        let line = [b"form-data; name=\"file\"".as_slice(), parameters].concat();
        let line = HeaderValue::from_bytes(&line).unwrap();
        file_name(&HeaderMap::from_iter([(header::CONTENT_DISPOSITION, line)])).ok()
    }

    #[test]
    fn a_name_is_read_in_every_way_that_clients_write_it() {
        for (parameters, name) in [
            ("; filename=\"a.txt\"", "a.txt"),
            (";filename=a.txt", "a.txt"),
            ("; filename = \"a.txt\" ; size=3", "a.txt"),
            ("; FileName=a.txt ;x=y", "a.txt"),
            ("; filename=\"naïve; name=x.txt\"", "naïve; name=x.txt"),
            ("; filename=\"a \\\"b\\\".txt\"", "a \"b\".txt"),
            ("; filename=\"C:\\new\\a.txt\"", "C:\\new\\a.txt"),
            // Only `filename*` is escaped.
            ("; filename=\"100%25.txt\"", "100%25.txt"),
            ("; filename*=utf-8''na%C3%AFve.txt", "naïve.txt"),
            ("; filename*=UTF-8'de'na%c3%afve.txt; x=y", "naïve.txt"),
            ("; filename*=iso-8859-1'en'na%EFve.txt", "naïve.txt"),
            ("; filename*=utf-8''it's.txt", "it's.txt"),
            ("; filename*=utf-8''a%3Bb%22c%25.txt", "a;b\"c%.txt"),
            // No client should write these, and some do.
            ("; filename*=\"utf-8''na%C3%AFve.txt\"", "naïve.txt"),
            ("; filename*=utf-8''naïve.txt", "naïve.txt"),
            ("; filename=\"naive.txt\"; filename*=utf-8''na%C3%AFve.txt", "naïve.txt"),
            ("; filename*=utf-8''na%C3%AFve.txt; filename=\"naive.txt\"", "naïve.txt"),
            ("; flag; filename=a.txt", "a.txt"),
        ] {
            assert_eq!(named(parameters.as_bytes()).as_deref(), Some(name), "{parameters}");
        }
        let both = b"; filename=\"na\xefve.txt\"; filename*=iso-8859-1''na%EFve.txt";
        assert_eq!(named(both).as_deref(), Some("naïve.txt"));
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        let refused: [&[u8]; 17] = [
            b"",
            b";",
            b"; filename",
            b"; filename=",
            b"; filename=\"\"",
            b"; filename*=utf-8''",
            b"; filename=\"a.txt",
            b"; filename=\"na\xefve.txt\"",
            b"; filename=na\xefve.txt",
            b"; filename*=a.txt",
            b"; filename*=utf-8'a.txt",
            b"; filename*=utf-8''a%2",
            b"; filename*=utf-8''a%+1.txt",
            b"; filename*=utf-8''a%zz.txt",
            b"; filename*=utf-8''na%EFve.txt",
            b"; filename*=windows-1252''a.txt",
            b"; filename=\"a.txt\"; filename*=''a.txt",
        ];
        for parameters in refused {
            assert_eq!(named(parameters), None, "{}", String::from_utf8_lossy(parameters));
        }
        assert!(file_name(&HeaderMap::new()).is_err());
    }
}
