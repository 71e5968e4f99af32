//! `hersh init`: a working program, its tests, and what `hersh deploy` needs to run it.
//!
//! The files are compiled into the command; the name of the program and the place of hersh's own
//! sources are put into them.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::Session;
use super::deploy::slug;
use crate::args::{InitArgs, LanguageArg};
use crate::output::{Exit, Failure};

/// A file of a new program.
struct Template {
    name: &'static str,
    text: &'static str,
    executable: bool,
}

const fn file(name: &'static str, text: &'static str) -> Template {
    Template { name, text, executable: false }
}

const fn script(name: &'static str, text: &'static str) -> Template {
    Template { name, text, executable: true }
}

const PYTHON: &[Template] = &[
    file("main.py", include_str!("python/main.py")),
    file("test_main.py", include_str!("python/test_main.py")),
    script("build", include_str!("python/build")),
    file("Dockerfile", include_str!("python/dockerfile")),
    file(".dockerignore", include_str!("python/dockerignore")),
    file(".gitignore", include_str!("python/gitignore")),
    file("hersh.toml", include_str!("python/hersh.toml")),
    file("README.md", include_str!("python/readme.md")),
];

const RUST: &[Template] = &[
    file("Cargo.toml", include_str!("rust/cargo.toml")),
    file("src/main.rs", include_str!("rust/main.rs")),
    script("build", include_str!("rust/build")),
    file("Dockerfile", include_str!("rust/dockerfile")),
    file(".dockerignore", include_str!("rust/dockerignore")),
    file(".gitignore", include_str!("rust/gitignore")),
    file("README.md", include_str!("rust/readme.md")),
];

const C: &[Template] = &[
    file("main.c", include_str!("c/main.c")),
    file("program.c", include_str!("c/program.c")),
    file("program.h", include_str!("c/program.h")),
    file("test.c", include_str!("c/test.c")),
    file("Makefile", include_str!("c/makefile")),
    file("Dockerfile", include_str!("c/dockerfile")),
    file(".dockerignore", include_str!("c/dockerignore")),
    file(".gitignore", include_str!("c/gitignore")),
    file("hersh.toml", include_str!("c/hersh.toml")),
    file("README.md", include_str!("c/readme.md")),
];

pub(super) fn run(args: &InitArgs, session: &mut Session<'_>) -> Result<Exit, Failure> {
    let name = name(args)?;
    let library = library(args.library.as_deref())?;
    if args.base.is_empty() || args.base.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(Failure::new(Exit::Usage, format!("{:?} is no image", args.base))
            .with_remedy("write it as python:3.13-slim"));
    }
    let fill = |text: &str| {
        text.replace("{{name}}", &name)
            .replace("{{library}}", &library)
            .replace("{{base}}", &args.base)
    };
    let (lang, templates) = match args.lang {
        LanguageArg::Python => ("python", PYTHON),
        LanguageArg::Rust => ("rust", RUST),
        LanguageArg::C => ("c", C),
    };
    super::new_folder(&args.dir)?;
    for template in templates {
        let path = args.dir.join(template.name);
        super::write_file(&path, fill(template.text).as_bytes())?;
        if template.executable {
            make_executable(&path)?;
        }
    }
    if session.output.style().json {
        let files: Vec<_> = templates.iter().map(|template| template.name).collect();
        let document = json!({ "name": name, "lang": lang, "dir": args.dir, "files": files });
        session.output.json(&document)?;
    }
    session.output.say(next_steps(args, &name));
    Ok(Exit::Ok)
}

fn next_steps(args: &InitArgs, name: &str) -> String {
    let build = match args.lang {
        LanguageArg::Python | LanguageArg::Rust => "./build",
        LanguageArg::C => "make",
    };
    let there = match args.dir.as_os_str().to_str() {
        Some(".") => String::new(),
        _ => format!("cd {}; ", args.dir.display()),
    };
    format!(
        "{name} is ready; its README.md says more\n\
         \x20 {there}{build} && hersh dev      # here, without a container\n\
         \x20 {there}{build} && hersh deploy   # under gVisor, on the host"
    )
}

fn name(args: &InitArgs) -> Result<String, Failure> {
    let nameless = |given: &str| {
        Failure::new(Exit::Usage, format!("{given:?} gives no name for a program")).with_remedy(
            "give it one with --name: small letters, digits and dashes, a letter first",
        )
    };
    if let Some(name) = &args.name {
        return match slug(name) {
            Some(same) if same == *name => Ok(same),
            _ => Err(nameless(name)),
        };
    }
    // The folder need not be there yet.
    let path = std::path::absolute(&args.dir).unwrap_or_else(|_| args.dir.clone());
    let folder = path.components().next_back().map(|last| last.as_os_str().to_string_lossy());
    let folder = folder.unwrap_or_default();
    slug(&folder).ok_or_else(|| nameless(&folder))
}

// Where hersh's library comes from: the sources of this very command, while they are still there.
fn library(given: Option<&Path>) -> Result<String, Failure> {
    const REMEDY: &str = "name a folder with hersh's sources with --library";
    let own = || Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let library = given.map_or_else(own, PathBuf::from);
    let complete =
        ["core/Cargo.toml", "ffi/Cargo.toml", "python/pyproject.toml", "include/hersh.h"];
    let found = library.canonicalize().ok();
    let found = found.filter(|found| complete.iter().all(|part| found.join(part).is_file()));
    let found = found.ok_or_else(|| {
        let what = match given {
            Some(_) => format!("{} does not hold hersh's sources", library.display()),
            None => "the sources from which this command was built are gone".to_owned(),
        };
        Failure::new(Exit::NotFound, what).with_remedy(REMEDY)
    })?;
    // It is written into a Makefile, a shell script and a Cargo.toml: what is special to none.
    let plain = |c: char| c.is_alphanumeric() || "/._+-@".contains(c);
    let path = found.to_str().filter(|path| path.chars().all(plain));
    path.map(str::to_owned).ok_or_else(|| {
        let what = format!("{} cannot stand in a Makefile", found.display());
        Failure::new(Exit::Usage, what)
            .with_remedy("move it to a path of letters, digits and ._+-@")
    })
}

fn make_executable(path: &Path) -> Result<(), Failure> {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).map_err(|error| {
        Failure::new(Exit::Failed, format!("cannot make {} executable: {error}", path.display()))
            .with_remedy(format!("do it with `chmod +x {}`", path.display()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_in_a_template_is_one_that_is_filled() {
        for template in PYTHON.iter().chain(RUST).chain(C) {
            let places = template.text.split("{{").skip(1);
            for place in places {
                let place = place.split_once("}}").map(|(place, _)| place);
                assert!(
                    matches!(place, Some("name" | "library" | "base")),
                    "{}: {place:?}",
                    template.name
                );
            }
        }
    }
}
