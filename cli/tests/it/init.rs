//! `hersh init`: what it writes. That the programs work is tried in the tests that cross parts.

use std::path::Path;

use crate::run::{hersh, run};

#[test]
fn every_language_gets_its_files_and_nothing_is_left_to_be_filled_in() {
    for lang in ["python", "rust", "c"] {
        let dir = tempfile::tempdir().unwrap();
        let to = dir.path().join("My Bot");
        let args = ["init", to.to_str().unwrap(), "--lang", lang, "--json"];
        let ran = run(&mut hersh(&args));
        assert_eq!(ran.code, 0, "{}", ran.err);
        let document: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
        assert_eq!((&document["name"], &document["lang"]), (&"my-bot".into(), &lang.into()));
        let files: Vec<_> = document["files"].as_array().unwrap().iter().collect();
        for wanted in ["Dockerfile", ".dockerignore", "README.md"] {
            assert!(files.iter().any(|file| *file == wanted), "{lang} has no {wanted}");
        }
        for file in files {
            let text = std::fs::read_to_string(to.join(file.as_str().unwrap())).unwrap();
            assert!(!text.contains("{{"), "{lang}: {file}");
        }
        assert!(ran.err.contains("hersh deploy"), "{}", ran.err);
    }
}

#[test]
fn what_is_there_stays() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("mine"), "precious").unwrap();
    let ran = run(&mut hersh(&["init", dir.path().to_str().unwrap(), "--name", "bot"]));
    assert_eq!((ran.code, ran.out.as_str()), (5, ""));
    assert!(ran.err.contains("is not empty\n  nothing was written"), "{}", ran.err);
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn the_base_image_and_the_library_are_named_in_the_files() {
    let dir = tempfile::tempdir().unwrap();
    let to = dir.path().join("bot");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().canonicalize().unwrap();
    let library = root.to_str().unwrap();
    let args = ["init", to.to_str().unwrap(), "--base", "my/python:3", "--library", library];
    let ran = run(&mut hersh(&args));
    assert_eq!(ran.code, 0, "{}", ran.err);
    let text = |name: &str| std::fs::read_to_string(to.join(name)).unwrap();
    assert!(text("Dockerfile").contains("\nFROM my/python:3\n"));
    assert!(text("build").contains(&format!("{library}/python")));
    let args = ["init", to.to_str().unwrap(), "--library", "/nonexistent"];
    let ran = run(&mut hersh(&args));
    assert_eq!(ran.code, 4, "{}", ran.err);
    assert!(ran.err.contains("does not hold hersh's sources"), "{}", ran.err);
}
