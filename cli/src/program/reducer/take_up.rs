//! What a program does when its host comes up.
use super::Step;
use crate::program::answer::Answer;
use crate::program::effect::Effect;
use crate::program::event::FoundContainer;
use crate::program::state::{ContainerId, State};

impl Step {
    /// Takes up what was under way when the host ended. Everything the engine has of this program
    /// is in `found`; what is not there is gone.
    pub(super) fn host_started(&mut self, found: &[FoundContainer]) -> Answer {
        if self.p.state == State::Ready && self.p.container_id.is_none() {
            // The registry was lost and made again: the container of the last start is known by its
            // label.
            let own = found.iter().find(|one| one.attempt == self.p.attempt && one.running);
            self.p.container_id = own.map(|one| one.container_id.clone());
            self.p.ready_since = Some(self.now);
        }
        let up = self.p.is_up();
        let seen = |id: &ContainerId| found.iter().any(|one| one.container_id == *id);
        self.p.strays.retain(seen);
        self.p.container_id.take_if(|id| !seen(id));
        let taken_up = |one: &FoundContainer| {
            self.p.container_id.as_ref() == Some(&one.container_id)
                // Its start is asked for again, and finds it.
                || (!up
                    && self.p.state == State::Starting
                    && one.attempt == self.p.attempt
                    && one.running)
        };
        let strays: Vec<_> = found.iter().filter(|one| !taken_up(one)).collect();
        for stray in strays {
            self.add_stray(&stray.container_id);
        }
        let attempt = self.p.attempt;
        match self.p.state {
            // A reboot took the container; its owner still wants it.
            _ if up && self.p.container_id.is_none() => self.clear_then_settle(),
            _ if up => {
                let runs = |one: &FoundContainer| {
                    one.running && self.p.container_id.as_ref() == Some(&one.container_id)
                };
                if !found.iter().any(runs) {
                    return self.check(&[]);
                }
                // Adopted as it is.
                for stray in self.p.strays.clone() {
                    self.stop(&stray);
                }
            }
            // A removal that failed is tried again; its owner has nothing else left to ask for.
            State::Error if self.p.desired.is_removal() => self.clear_then_settle(),
            State::Created | State::Stopped | State::Error => self.stop_all(),
            State::Building => {
                self.stop_all();
                self.build();
            }
            State::Starting => {
                self.stop_all();
                match self.p.image_id.clone() {
                    Some(image_id) => {
                        self.effects.push(Effect::StartRuntime { attempt, image_id });
                    }
                    None => self.fail("the image of the start under way is not known".into()),
                }
            }
            State::Ready | State::Stopping => self.clear_then_settle(),
        }
        self.reschedule();
        Answer::Applied
    }
}
