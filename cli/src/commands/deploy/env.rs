//! The environment of a program, from flags and files.

use std::collections::BTreeMap;
use std::path::Path;

use crate::client::Environment;
use crate::output::{Exit, Failure};
use crate::units::EnvEntry;

/// Puts it together: files first, in their order, then the flags.
pub(in crate::commands) fn collect(
    files: &[impl AsRef<Path>],
    flags: &[EnvEntry],
    here: Environment<'_>,
) -> Result<BTreeMap<String, String>, Failure> {
    let mut env = BTreeMap::new();
    for file in files {
        let file = file.as_ref();
        let text = std::fs::read_to_string(file).map_err(|error| {
            Failure::new(Exit::Usage, format!("cannot read {}: {error}", file.display()))
                .with_remedy("name a text file with --env-file, one KEY=VALUE a line")
        })?;
        for (number, line) in text.lines().enumerate() {
            if let Some(entry) = parse_line(line).map_err(|reason| {
                // Not the line itself: it may hold a secret.
                let place = format!("{}, line {}", file.display(), number + 1);
                Failure::new(Exit::Usage, format!("{place}: {reason}"))
                    .with_remedy("mend that line; one that begins with # is passed over")
            })? {
                add(&mut env, &entry, here)?;
            }
        }
    }
    for entry in flags {
        add(&mut env, entry, here)?;
    }
    Ok(env)
}

// As Docker reads such files: no quotes, no expansion, the value is all that follows the `=`.
fn parse_line(line: &str) -> Result<Option<EnvEntry>, String> {
    let line = line.trim_start();
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    line.parse().map(Some).map_err(|error: crate::units::UnitError| error.to_string())
}

fn add(
    env: &mut BTreeMap<String, String>,
    entry: &EnvEntry,
    here: Environment<'_>,
) -> Result<(), Failure> {
    let name = &entry.name;
    let value = entry.value.clone().or_else(|| here(name)).ok_or_else(|| {
        Failure::new(Exit::Usage, format!("{name} is not set here"))
            .with_remedy(format!("set it, or write {name}=VALUE"))
    })?;
    env.insert(name.clone(), value);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_go_before_files_and_missing_values_come_from_here() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("env");
        std::fs::write(&file, "# comment\n\nA=1\n  B=two words # kept\nHERE\n").unwrap();
        let flags = ["A=2".parse().unwrap()];
        let here = |name: &str| (name == "HERE").then(|| "x".to_owned());
        let env = collect(&[&file], &flags, &here).unwrap();
        let pairs: Vec<_> = env.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        assert_eq!(pairs, [("A", "2"), ("B", "two words # kept"), ("HERE", "x")]);
    }

    #[test]
    fn a_wrong_line_is_named_and_not_shown() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("env");
        std::fs::write(&file, "A=1\nnot a name=canary\n").unwrap();
        let text = collect(&[&file], &[], &|_| None).unwrap_err().to_string();
        assert!(text.contains("line 2") && !text.contains("canary"), "{text}");
        let missing = collect(&[] as &[&Path], &["GONE".parse().unwrap()], &|_| None);
        assert_eq!(missing.unwrap_err().what(), "GONE is not set here");
    }
}
