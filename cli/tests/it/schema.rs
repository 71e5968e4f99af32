//! A live host held against the document that it gives of itself: schemathesis asks everything that
//! `/openapi.json` says may be asked, and much that it says may not. `make test-api-schema` runs it.
//!
//! `/events` goes on for ever, and is left to the API's own tests.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use hersh_cli::host::Host;
use hersh_cli::host::api::{ApiConfig, Rate, serve};
use hersh_cli::host::auth::{ADMIN_TOKEN_FILE, Auth};
use hersh_cli::host::engine::FakeEngine;

use crate::support::{config, deploy, new_program};

/// Where the programs themselves are to answer, a host says 502 or 503 while they do not, and any
/// method is theirs to refuse; and no schema can tell that two names of files are the same but for
/// upper and lower case. A `Last-Event-ID` that is empty says that nothing was seen yet.
const RULES: &str = r#"
[[operations]]
include-path-regex = "/(proxy|watcher)/"
checks.not_a_server_error.enabled = false
checks.unsupported_method.enabled = false

[[operations]]
include-operation-id = "post-programs"
checks.positive_data_acceptance.expected-statuses = ["2xx", "400", "409"]

[[operations]]
include-operation-id = "get-programs-id-events"
parameters = { "query.follow" = "false" }
checks.negative_data_rejection.enabled = false
"#;

fn hold(folder: &Path, auth: Auth, token: Option<&str>, more: &str) {
    let tool = std::env::var_os("HERSH_TEST_SCHEMATHESIS");
    let tool = tool.expect("HERSH_TEST_SCHEMATHESIS names the tool: run `make test-api-schema`");
    let engine = FakeEngine::new();
    let data = folder.join("data");
    let host = Host::open_with(config(&data), move |_, _, _| Arc::new(engine.clone())).unwrap();
    let id = deploy(&host, new_program()).program_id;
    let address: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let mut config = ApiConfig::new(address, auth);
    let fast = Rate { burst: u32::MAX, per_second: 1_000_000 };
    (config.create_rate, config.action_rate) = (fast, fast);
    let gate = serve(host, config).unwrap();

    let rules = format!("{RULES}\n{}", more.replace("PROGRAM_ID", id.as_str()));
    std::fs::write(folder.join("schemathesis.toml"), rules).unwrap();
    let mut command = Command::new("timeout");
    command.arg("100").arg(tool).arg("--no-color").arg("run");
    command.arg(format!("http://{}/openapi.json", gate.local_addr()));
    command.args(["--exclude-path", "/events", "--phases", "examples,coverage,fuzzing"]);
    command.args(["--max-examples", "20", "--max-failures", "10", "--request-timeout", "10"]);
    // The same questions each time: what fails once can be asked again.
    command.args(["--seed", "7"]);
    if let Some(token) = token {
        command.args(["-H", &format!("Authorization: Bearer {token}")]);
    }
    let ended = command.current_dir(folder).status().unwrap();
    assert!(ended.success(), "schemathesis: {ended}");
}

#[test]
#[ignore = "needs schemathesis: `make test-api-schema` runs it"]
fn a_host_without_tokens_is_as_it_says() {
    let dir = tempfile::tempdir().unwrap();
    let auth = Auth::open("127.0.0.1:0".parse().unwrap()).unwrap();
    hold(dir.path(), auth, None, "");
}

#[test]
#[ignore = "needs schemathesis: `make test-api-schema` runs it"]
fn a_host_with_tokens_is_as_it_says_also_of_a_program_that_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let auth = Auth::admin(dir.path()).unwrap();
    let token = std::fs::read_to_string(dir.path().join(ADMIN_TOKEN_FILE)).unwrap();
    let there = "[parameters]\n\"path.program_id\" = \"PROGRAM_ID\"\n";
    hold(dir.path(), auth, Some(token.trim()), there);
}
