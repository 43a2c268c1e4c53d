//! Keys that nobody reads: in the file all of them, in the environment those that look like ours.

use std::collections::BTreeSet;

/// One line for each key that is not in `known`. No line shows a value.
pub(super) fn told(
    known: &BTreeSet<String>,
    file: impl Iterator<Item = String>,
    environment: impl Iterator<Item = String>,
) -> Vec<String> {
    let strange = |key: &String| !known.contains(key);
    let of_file = file.filter(strange).map(|key| match nearest(&key, known) {
        Some(near) => format!("the file has `{key}`, which is no key: is it `{near}`?"),
        None => format!("the file has `{key}`, which is no key: nothing reads it"),
    });
    let of_environment = environment.filter(strange).filter_map(|key| {
        let near = nearest(&key, known)?;
        Some(format!("the environment has `{key}`, which is no key: is it `{near}`?"))
    });
    let lines: BTreeSet<_> = of_file.chain(of_environment).collect();
    lines.into_iter().map(|line| line.chars().flat_map(char::escape_debug).collect()).collect()
}

/// The key that is written nearly like `key`. Short keys are near to everything.
fn nearest<'a>(key: &str, known: &'a BTreeSet<String>) -> Option<&'a String> {
    let key = key.to_uppercase();
    let allowed = match key.chars().count() {
        0..5 => return None,
        5..8 => 1,
        _ => 2,
    };
    let near = known.iter().map(|one| (distance(&key, one), one));
    near.filter(|(distance, _)| *distance <= allowed).min().map(|(_, one)| one)
}

/// How many letters are wrong, missing, too many, or change places with their neighbour.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<_>, Vec<_>) = (a.chars().collect(), b.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, left) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, right) in b.iter().enumerate() {
            let changed = last[j] + usize::from(left != right);
            let mut fewest = changed.min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *left == b[j - 1] && a[i - 1] == *right {
                fewest = fewest.min(before[j - 1] + 1);
            }
            row.push(fewest);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(file: &[&str], environment: &[&str]) -> Vec<String> {
        let known = ["DATABASE_URL", "ENV", "LOG_LEVEL", "NATS_URL", "NATS_STREAM", "DATA_DIR"];
        let owned = |keys: &[&str]| keys.iter().map(|key| (*key).to_owned()).collect::<Vec<_>>();
        let known = owned(&known).into_iter().collect();
        told(&known, owned(file).into_iter(), owned(environment).into_iter())
    }

    #[test]
    fn every_misspelling_of_a_key_is_told_with_the_key_that_is_meant() {
        for wrong in [
            "DATABSE_URL",
            "DATABASEURL",
            "DATABASE_URI",
            "DATABASE_ULR",
            "DATABASE_URLS",
            "DATABASE-URL",
            "database_url",
            "Database_Url",
            "DTABASE_URL",
            "ADTABASE_URL",
        ] {
            for lines in [lines(&[wrong], &[]), lines(&[], &[wrong])] {
                assert!(
                    lines.len() == 1 && lines[0].ends_with("is it `DATABASE_URL`?"),
                    "{lines:?}"
                );
                assert!(lines[0].contains(wrong), "{lines:?}");
            }
        }
    }

    #[test]
    fn a_strange_key_is_told_of_the_file_alone() {
        assert_eq!(
            lines(
                &["COLOUR", "ENV"],
                &["PATH", "HOME", "PGHOST", "ENV", "LANG", "RUST_LOG", "TERM"]
            ),
            ["the file has `COLOUR`, which is no key: nothing reads it"]
        );
    }
}
