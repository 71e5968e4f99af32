//! `hersh watch`: the state, the variables and the signals of a program, live.
//!
//! What happens comes as events through the host; after one, and not more often than a person can
//! see, the rest is asked for again.

mod feed;
mod snapshot;
mod view;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crossbeam_channel::{never, select, tick};
use serde_json::{Value as Json, json};

use self::feed::News;
use self::snapshot::Snapshot;
use self::view::Picture;
use super::{Session, find};
use crate::args::WatchArgs;
use crate::client::Client;
use crate::client::sse::Event;
use crate::output::screen::Screen;
use crate::output::{Exit, Failure};
use crate::wire::ProgramBody;

// Asked for again at most so often while something happens,
const OFTEN: Duration = Duration::from_millis(250);
// and so often while nothing does: the time it is up, and the program's own state.
const SELDOM: Duration = Duration::from_secs(2);

pub(super) fn run(args: &WatchArgs, session: &mut Session<'_>) -> Result<Exit, Failure> {
    let client = session.client(&args.client)?;
    let program = find(&client, &args.name)?;
    if args.once {
        return once(&client, program, session);
    }
    let json = session.output.style().json;
    let mut watch = Watch {
        client: &client,
        picture: Picture::of(program, None),
        known: BTreeMap::new(),
        screen: None,
        json,
    };
    if !json && !args.plain && session.output.out_is_terminal() {
        watch.screen = Some(Screen::enter(&mut session.output)?);
    }
    watch.follow(session)
}

fn once(client: &Client, program: ProgramBody, session: &mut Session<'_>) -> Result<Exit, Failure> {
    let label = program.label().to_owned();
    let id = program.program_id.clone();
    let snapshot = Snapshot::take(client, &id)?.ok_or_else(|| {
        if program.state == "Ready" {
            let what = format!("the watcher of {label} does not answer");
            return Failure::new(Exit::Conflict, what)
                .with_remedy(format!("ask again in a moment; see `hersh logs {label}`"));
        }
        let what = format!("{label} is {}, so its watcher is not to be seen", program.state);
        Failure::new(Exit::Conflict, what).with_remedy(format!("start it: `hersh start {label}`"))
    })?;
    if session.output.style().json {
        session.output.json(&line(&id, "snapshot", &json!(snapshot)))?;
    } else {
        let picture = Picture::of(program, Some(snapshot));
        session.output.data(picture.lines(None).join("\n") + "\n")?;
    }
    Ok(Exit::Ok)
}

struct Watch<'a> {
    client: &'a Client,
    picture: Picture,
    // The values that were told, where they are told as lines.
    known: BTreeMap<String, String>,
    screen: Option<Screen>,
    json: bool,
}

impl Watch<'_> {
    fn follow(&mut self, session: &mut Session<'_>) -> Result<Exit, Failure> {
        let news = feed::follow(self.client, &self.picture.program.program_id);
        let looks = tick(OFTEN);
        let resized = self.screen.as_ref().map_or_else(never, |screen| screen.resized().clone());
        let mut stale = true;
        let mut looked = Instant::now();
        loop {
            select! {
                recv(news) -> news => match news {
                    Ok(news) => stale |= self.news(news, session)?,
                    // The thread has told why before it ended.
                    Err(_) => return Ok(Exit::Ok),
                },
                recv(looks) -> _ => if stale || looked.elapsed() >= SELDOM {
                    (stale, looked) = (false, Instant::now());
                    self.look(session)?;
                },
                recv(resized) -> _ => self.draw(session)?,
            }
        }
    }

    // Whether there is more to be asked for.
    fn news(&mut self, news: News, session: &mut Session<'_>) -> Result<bool, Failure> {
        match news {
            News::There => Ok(true),
            News::Away => {
                let seen = self.picture.snapshot.take().is_some();
                self.known.clear();
                Ok(seen)
            }
            News::Happened(event) => {
                self.happened(&event, session)?;
                Ok(true)
            }
            News::Failed(error) => Err(error.into()),
        }
    }

    fn happened(&mut self, event: &Event, session: &mut Session<'_>) -> Result<(), Failure> {
        let id = &self.picture.program.program_id;
        if self.json {
            let data = serde_json::from_str(&event.data).unwrap_or(Json::Null);
            session.output.data(format!("{}\n", line(id, &event.kind, &data)))?;
        } else if self.screen.is_some() {
            self.picture.happened(event);
        } else {
            session.output.data(format!("{}\n", view::event_line(event).trim_start()))?;
        }
        Ok(())
    }

    fn look(&mut self, session: &mut Session<'_>) -> Result<(), Failure> {
        let id = self.picture.program.program_id.clone();
        let program = self.client.program(&id)?;
        let told = program.state != self.picture.program.state;
        let snapshot = Snapshot::take(self.client, &id)?;
        let changed = snapshot.as_ref().is_some_and(|snapshot| self.differs(snapshot));
        self.picture.program = program;
        self.picture.snapshot = snapshot;
        if self.screen.is_some() {
            return self.draw(session);
        }
        let Some(snapshot) = &self.picture.snapshot else {
            if told {
                let program = &self.picture.program;
                session.output.say(format!("{} is {}", program.label(), program.state));
            }
            return Ok(());
        };
        if !self.json {
            for line in view::differences(&mut self.known, snapshot) {
                session.output.data(format!("{line}\n"))?;
            }
        } else if changed {
            let snapshot = line(&id, "snapshot", &json!(snapshot));
            session.output.data(format!("{snapshot}\n"))?;
        }
        Ok(())
    }

    // Whether more is different than the time: what can be seen, or how often it was run.
    fn differs(&self, now: &Snapshot) -> bool {
        let Some(before) = &self.picture.snapshot else { return true };
        let parts = |snapshot: &Snapshot| {
            let vars = &snapshot.var_state;
            let signals = &snapshot.signals["recentSignals"];
            let runs = &snapshot.state["executionCount"];
            [&vars["contextValues"], &vars["variables"], signals, runs].map(Json::clone)
        };
        parts(before) != parts(now)
    }

    fn draw(&mut self, session: &mut Session<'_>) -> Result<(), Failure> {
        if let Some(screen) = &mut self.screen {
            let lines = self.picture.lines(Some(Screen::size()));
            screen.draw(&mut session.output, &lines)?;
        }
        Ok(())
    }
}

fn line(id: &str, event: &str, data: &Json) -> Json {
    json!({ "program_id": id, "event": event, "data": data })
}
