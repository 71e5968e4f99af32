//! The page for Prometheus.

use std::collections::BTreeSet;

use hersh::{State, Watcher};

use crate::gate::client::Client;

#[test]
fn every_line_is_a_comment_or_a_series_with_a_number() {
    let watcher = Watcher::builder().name("a \"b\"\n\\c").build().unwrap();
    watcher.manage("nothing", |_, _| Ok(())).unwrap();
    let mut client = Client::connect(watcher.start_api_server("127.0.0.1:0").unwrap());
    watcher.start().unwrap();
    watcher.wait_for(State::Ready, None);
    let answer = client.get("/metrics");
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    let text = answer.text();
    let labels = r#"{watcher="a \"b\"\n\\c",watcher_id="a \"b\"\n\\c-"#;
    let (mut described, mut seen) = (BTreeSet::new(), BTreeSet::new());
    for line in text.lines() {
        if let Some(comment) = line.strip_prefix("# TYPE ") {
            let (name, kind) = comment.split_once(' ').unwrap();
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            assert!(described.insert(name.to_owned()), "described twice: {line}");
        } else if !line.starts_with("# HELP ") {
            let (series, value) = line.rsplit_once(' ').unwrap();
            value.parse::<f64>().unwrap_or_else(|_| panic!("no number: {line}"));
            assert!(series.contains(labels) && series.ends_with('}'), "{line}");
            assert!(seen.insert(series.to_owned()), "twice: {line}");
            let name = series.split('{').next().unwrap();
            let of_histogram = ["_bucket", "_sum", "_count"].map(|end| name.strip_suffix(end));
            let known = |name: &str| described.contains(name);
            assert!(known(name) || of_histogram.into_iter().flatten().any(known), "{line}");
        }
    }
    let value = |start: &str, end: &str| {
        let line = text.lines().find(|line| line.starts_with(start) && line.contains(end));
        line.and_then(|line| line.rsplit_once(' ')).map(|(_, value)| value.to_owned())
    };
    assert_eq!(value("hersh_up{", "").as_deref(), Some("1"));
    assert_eq!(value("hersh_executions_total{", "").as_deref(), Some("1"));
    assert_eq!(value("hersh_state{", "state=\"Ready\"").as_deref(), Some("1"));
    assert_eq!(value("hersh_state{", "state=\"Killed\"").as_deref(), Some("0"));
    assert_eq!(value("hersh_execution_seconds_bucket{", "le=\"+Inf\"").as_deref(), Some("1"));
    assert_eq!(value("hersh_queue_depth{", "class=\"user\"").as_deref(), Some("0"));
}
