//! What `tests/api-schema` asks: two watchers that stay, whatever they are asked.

use std::env;
use std::io::Read;
use std::net::SocketAddr;
use std::time::Duration;

use hersh::http::BearerToken;
use hersh::{ApiConfig, Config, State, Watcher};

/// Where to serve, the open one and the guarded one, and the token: `ADDRESS ADDRESS TOKEN`.
const PLAN: &str = "HERSH_TEST_SCHEMA";

/// Serves until its input ends. Without a plan there is nobody to ask.
#[test]
fn server() {
    let Ok(plan) = env::var(PLAN) else { return };
    let [open, guarded, token] = plan.split(' ').collect::<Vec<_>>()[..] else { panic!("{plan}") };
    let serving = [served(open, None), served(guarded, BearerToken::new(token))];
    for watcher in &serving {
        let watcher = watcher.downgrade();
        std::thread::spawn(move || {
            // A stop ends a session; the next begins at once, beside the same server.
            while let Some(watcher) = watcher.upgrade() {
                if watcher.wait(Some(Duration::from_millis(20))).is_some() {
                    watcher.start().ok();
                }
            }
        });
    }
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
}

fn served(address: &str, token: Option<BearerToken>) -> Watcher {
    let address: SocketAddr = address.parse().unwrap();
    let api = Some(ApiConfig { address, token, ..ApiConfig::default() });
    let config = Config { api, signal_capacity: 1 << 16, ..Config::default() };
    let built = Watcher::builder().config(config).env("UNIT", "EUR").env("API_KEY", "hush");
    let watcher = built.build().unwrap();
    watcher
        .manage("show something of everything", |message, ctx| {
            ctx.watch_tick("tick", Duration::from_millis(100))?;
            ctx.watch_call::<u8, _>("fails", Duration::from_secs(1), || Err("always"))?;
            ctx.memo("answer", || 42_u64)?;
            ctx.memo("opaque", || Duration::from_secs(1))?;
            ctx.set_value("last", message.map(|message| message.content().to_owned()));
            ctx.log("ran");
            if ctx.execution() % 10 == 0 { Err("each tenth".into()) } else { Ok(()) }
        })
        .unwrap();
    watcher.start().unwrap();
    assert!(watcher.wait_for(State::Ready, Some(Duration::from_secs(30))));
    watcher
}
