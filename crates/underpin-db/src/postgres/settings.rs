//! The start-up parameter `options`.

/// A setting of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Setting {
    pub(crate) name: String,
    pub(crate) value: String,
    /// Nobody asked for it: it is what the server would say by itself.
    pub(crate) default: bool,
}

/// The settings in `options`: `-c name=value`, `-cname=value` or `--name=value`, parted by white
/// space, in which a backslash keeps the next character as it is.
pub(crate) fn settings(options: &str) -> Vec<Setting> {
    let mut words = vec![String::new()];
    let mut characters = options.chars();
    while let Some(c) = characters.next() {
        match c {
            '\\' => words.last_mut().into_iter().for_each(|word| word.extend(characters.next())),
            c if c.is_whitespace() => words.push(String::new()),
            c => words.last_mut().into_iter().for_each(|word| word.push(c)),
        }
    }
    let mut words = words.into_iter().filter(|word| !word.is_empty());
    let mut settings: Vec<Setting> = Vec::new();
    while let Some(word) = words.next() {
        let pair = match word.strip_prefix("--").or_else(|| word.strip_prefix("-c")) {
            Some("") => words.next().unwrap_or_default(),
            Some(pair) => pair.to_owned(),
            None => continue,
        };
        let Some((name, value)) = pair.split_once('=') else { continue };
        let name = name.replace('-', "_").to_ascii_lowercase();
        settings.retain(|setting| setting.name != name);
        settings.push(Setting { name, value: value.to_owned(), default: false });
    }
    settings
}

#[cfg(test)]
mod tests {
    use super::settings;

    #[test]
    fn each_way_to_write_a_setting_is_read_and_the_last_counts() {
        for (options, expected) in [
            ("", vec![]),
            ("-c a=1 -cb=2 --c-d=3", vec![("a", "1"), ("b", "2"), ("c_d", "3")]),
            (r#"-c search_path="My\ Schema",\\x -c"#, vec![("search_path", r#""My Schema",\x"#)]),
            ("-c a=1 -e -c A=x=y", vec![("a", "x=y")]),
        ] {
            let found = settings(options);
            let found: Vec<_> = found.iter().map(|one| (&*one.name, &*one.value)).collect();
            assert_eq!(found, expected, "{options}");
        }
    }
}
