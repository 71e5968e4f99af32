//! `hersh source`

use std::path::Path;

use base64::Engine as _;

use super::{Session, find};
use crate::args::SourceArgs;
use crate::output::table::Table;
use crate::output::{Exit, Failure};
use crate::wire::SourceBody;

pub(super) fn run(args: &SourceArgs, session: &mut Session<'_>) -> Result<Exit, Failure> {
    let client = session.client(&args.client)?;
    let program = find(&client, &args.name)?;
    let source = client.source(&program.program_id)?;
    if let Some(dir) = &args.out {
        let count = write(&files(&source)?, dir)?;
        session.output.say(format!("{count} files of {} are in {}", args.name, dir.display()));
    } else if let Some(wanted) = &args.file {
        let files = files(&source)?;
        let file = files.iter().find(|(name, _)| name == wanted).ok_or_else(|| {
            Failure::new(Exit::NotFound, format!("{} has no file `{wanted}`", args.name))
                .with_remedy(format!("`hersh source {}` lists its files", args.name))
        })?;
        session.output.data(&file.1)?;
    } else if session.output.style().json {
        session.output.json(&source)?;
    } else {
        session.output.data(list(&files(&source)?))?;
    }
    Ok(Exit::Ok)
}

type Files = Vec<(String, Vec<u8>)>;

fn files(source: &SourceBody) -> Result<Files, Failure> {
    let mut files: Files =
        source.files.iter().map(|(name, text)| (name.clone(), text.clone().into_bytes())).collect();
    for (name, encoded) in &source.files_base64 {
        let content = base64::prelude::BASE64_STANDARD.decode(encoded).map_err(|error| {
            Failure::new(Exit::Failed, format!("the host sent {name} damaged: {error}"))
                .with_remedy("ask again; the host's own log may say more")
        })?;
        files.push((name.clone(), content));
    }
    files.sort();
    Ok(files)
}

fn list(files: &Files) -> String {
    let mut table = Table::new(&["BYTES", "FILE"]);
    for (name, content) in files {
        table.row([content.len().to_string().as_str(), name]);
    }
    table.render()
}

// A host is not trusted to write where it likes: every name must stay below the folder.
fn write(files: &Files, dir: &Path) -> Result<usize, Failure> {
    if let Some((name, _)) = files.iter().find(|(name, _)| climbs(name)) {
        return Err(Failure::new(Exit::Failed, format!("the host sent a file called {name:?}"))
            .with_remedy("nothing was written: such a name leads out of the folder"));
    }
    super::new_folder(dir)?;
    for (name, content) in files {
        let path = dir.join(name);
        super::write_file(&path, content)?;
    }
    Ok(files.len())
}

fn climbs(name: &str) -> bool {
    use std::path::Component;
    name.is_empty()
        || Path::new(name).components().any(|part| !matches!(part, Component::Normal(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_lead_out_of_the_folder() {
        for name in ["", "/etc/passwd", "../x", "a/../../x", "./x"] {
            assert!(climbs(name), "{name}");
        }
        assert!(!climbs("src/main.py") && !climbs("a..b"));
    }

    #[test]
    fn text_and_bytes_are_written_and_nothing_is_overwritten() {
        let mut source = SourceBody::default();
        source.files.insert("src/main.py".into(), "print()".into());
        source.files_base64.insert("bin".into(), "f0VMRv8=".into());
        let dir = tempfile::tempdir().unwrap();
        let to = dir.path().join("new");
        assert_eq!(write(&files(&source).unwrap(), &to).unwrap(), 2);
        assert_eq!(std::fs::read(to.join("bin")).unwrap(), b"\x7fELF\xff");
        assert_eq!(std::fs::read_to_string(to.join("src/main.py")).unwrap(), "print()");
        assert_eq!(write(&Vec::new(), &to).unwrap_err().exit(), Exit::Conflict);
        source.files_base64.insert("bad".into(), "%".into());
        assert_eq!(files(&source).unwrap_err().exit(), Exit::Failed);
        let table = list(&vec![("a".into(), vec![0; 12])]);
        assert_eq!(table, "BYTES  FILE\n12     a\n");
    }
}
