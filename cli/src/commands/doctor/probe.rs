//! Whether a container really runs under gVisor. A runtime that is registered under the right name
//! may still be anything, or not start at all.

use std::io::Write;
use std::time::Duration;

use super::Check;
use super::elf;
use super::engine::Engine;
use crate::host::docker::RunError;

/// The kernel that gVisor says it is, whatever the machine's own is.
const GVISOR_KERNEL: &str = "4.4.0";

const NAME: &str = "gvisor";
const IMPORT_WAIT: Duration = Duration::from_secs(30);
const RUN_WAIT: Duration = Duration::from_secs(60);

/// Starts a container under `runtime`, as locked down as a program's, and asks it for its kernel.
pub(super) fn gvisor(engine: &Engine, runtime: &str, architecture: &str) -> Check {
    let Some(program) = elf::program(architecture) else {
        let detail = format!("not tried: there is no test program for {architecture}");
        return Check::note(NAME, detail, "run `uname -r` in a container; gVisor says 4.4.0");
    };
    let image = match import(engine, &program) {
        Ok(image) => image,
        Err(why) => {
            let detail = format!("not tried, the test image cannot be imported: {why}");
            return Check::fail(NAME, detail, "see that Docker has disk space and works");
        }
    };
    let answer = start(engine, runtime, &image);
    // What is left of it is seen by nobody, and costs a few hundred bytes at most.
    let _ = engine.run(&["image", "rm", "--force", &image], IMPORT_WAIT);
    judge(answer, runtime)
}

fn import(engine: &Engine, program: &[u8]) -> Result<String, String> {
    let archive = elf::image(program).map_err(|error| error.to_string())?;
    let mut file = tempfile::NamedTempFile::new().map_err(|error| error.to_string())?;
    file.write_all(&archive).map_err(|error| error.to_string())?;
    let path = file.path().to_str().ok_or("the temporary folder has no readable name")?;
    let change = r#"ENTRYPOINT ["/probe"]"#;
    let id = engine
        .run(&["import", "--change", change, path], IMPORT_WAIT)
        .map_err(|error| words(&error))?;
    let id = String::from_utf8_lossy(&id).trim().to_owned();
    // It becomes an argument; nothing but an image id may.
    match id.parse::<crate::program::ImageId>() {
        Ok(id) => Ok(id.to_string()),
        Err(_) => Err(format!("the engine answered {id:?} instead of an image")),
    }
}

fn start(engine: &Engine, runtime: &str, image: &str) -> Result<Vec<u8>, RunError> {
    let name = format!("hersh-doctor-{}", std::process::id());
    let runtime = format!("--runtime={runtime}");
    let args = [
        "run",
        "--rm",
        "--name",
        &name,
        &runtime,
        "--read-only",
        "--cap-drop=ALL",
        "--security-opt=no-new-privileges",
        "--memory=128m",
        "--pids-limit=64",
        image,
    ];
    let answer = engine.run(&args, RUN_WAIT);
    if answer.is_err() {
        // A client that was given up leaves its container behind.
        let _ = engine.run(&["rm", "--force", &name], IMPORT_WAIT);
    }
    answer
}

fn judge(answer: Result<Vec<u8>, RunError>, runtime: &str) -> Check {
    let answer = match answer {
        Ok(answer) => answer,
        Err(error) => {
            let detail = format!("a container does not start under {runtime}: {}", words(&error));
            return Check::fail(
                NAME,
                detail,
                "on recent kernels register runsc with --network=host; see its log for more",
            );
        }
    };
    match elf::kernel_release(&answer) {
        Some(release) if release == GVISOR_KERNEL => {
            Check::ok(NAME, format!("a container started and sees gVisor's kernel {release}"))
        }
        Some(release) => {
            let detail = format!("{runtime} is not gVisor: a container sees kernel {release}");
            Check::fail(NAME, detail, "register gVisor's runsc under that name")
        }
        None => {
            let detail = format!("a container under {runtime} answered nonsense");
            Check::fail(NAME, detail, "reinstall gVisor's runsc")
        }
    }
}

// The engine's last words: they come after what the client says about itself.
fn words(error: &RunError) -> String {
    let said = error.stderr().trim();
    let said = said.lines().find(|line| line.contains("rror")).unwrap_or(said);
    if said.is_empty() { error.to_string() } else { said.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::doctor::Status;

    fn answer(release: &str) -> Vec<u8> {
        let mut answer = vec![0; elf::ANSWER_BYTES];
        answer[130..130 + release.len()].copy_from_slice(release.as_bytes());
        answer
    }

    #[test]
    fn only_gvisors_kernel_is_gvisor() {
        assert_eq!(judge(Ok(answer("4.4.0")), "runsc").status, Status::Ok);
        let other = judge(Ok(answer("6.1.0-13-amd64")), "runsc");
        assert_eq!(other.status, Status::Fail);
        assert!(other.detail.contains("6.1.0-13-amd64"), "{other:?}");
        assert_eq!(judge(Ok(b"hello".to_vec()), "runsc").status, Status::Fail);
        let late = RunError::Deadline { argv: "docker run".into(), after: RUN_WAIT };
        assert_eq!(judge(Err(late), "runsc").status, Status::Fail);
    }
}
