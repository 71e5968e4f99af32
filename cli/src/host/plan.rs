//! What to do when the host comes up: what the registry says against what the engine has. Pure.
use std::collections::BTreeMap;

use super::engine::Listed;
use crate::program::{ContainerId, FoundContainer, ProgramId};

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Action {
    /// The program goes on from where it was, with these containers of its own.
    TakeUp { program: ProgramId, found: Vec<FoundContainer> },
    /// The container bears this host's label and belongs to no program.
    RemoveOrphan { container: ContainerId },
}

/// What to do for these programs when the engine has these containers of this host. Every program
/// is taken up, whether it has containers or not; every container is either handed to its program
/// or removed.
pub(super) fn plan<'a>(
    programs: impl IntoIterator<Item = &'a ProgramId>,
    listed: &[Listed],
) -> Vec<Action> {
    let mut found: BTreeMap<&ProgramId, Vec<FoundContainer>> =
        programs.into_iter().map(|id| (id, Vec::new())).collect();
    let mut actions = Vec::new();
    for one in listed {
        let container_id = one.container_id.clone();
        match one.program_id.as_ref().and_then(|id| found.get_mut(id)) {
            Some(own) => own.push(FoundContainer {
                container_id,
                attempt: one.attempt,
                running: one.running,
            }),
            None => actions.push(Action::RemoveOrphan { container: container_id }),
        }
    }
    actions
        .extend(found.into_iter().map(|(id, found)| Action::TakeUp { program: id.clone(), found }));
    actions
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::program::Attempt;

    fn program(unique: u8) -> ProgramId {
        format!("alice-build-0123456789ab-{unique:08x}").parse().unwrap()
    }

    fn listed(container: u8, program_id: Option<ProgramId>) -> Listed {
        let container_id = format!("{container:012x}").parse().unwrap();
        Listed { container_id, program_id, attempt: Attempt(3), running: true }
    }

    #[test]
    fn known_containers_go_to_their_programs_and_others_go() {
        let actions = plan(
            &[program(1), program(2)],
            &[listed(1, Some(program(1))), listed(2, Some(program(9))), listed(3, None)],
        );
        let orphan = |n| Action::RemoveOrphan { container: listed(n, None).container_id };
        let container_id = listed(1, None).container_id;
        let found = vec![FoundContainer { container_id, attempt: Attempt(3), running: true }];
        assert_eq!(
            actions,
            [
                orphan(2),
                orphan(3),
                Action::TakeUp { program: program(1), found },
                Action::TakeUp { program: program(2), found: vec![] },
            ]
        );
    }

    proptest! {
        #[test]
        fn nothing_is_forgotten_and_nothing_is_handled_twice(
            known in prop::collection::btree_set(0_u8..8, 0..8),
            containers in prop::collection::vec(prop::option::of(0_u8..8), 0..20),
        ) {
            let programs: Vec<_> = known.iter().map(|n| program(*n)).collect();
            let listed: Vec<_> = (0_u8..)
                .zip(&containers)
                .map(|(number, of)| listed(number, of.map(program)))
                .collect();
            let (mut taken_up, mut handled) = (Vec::new(), Vec::new());
            for action in plan(&programs, &listed) {
                match action {
                    Action::TakeUp { program, found } => {
                        taken_up.push(program);
                        handled.extend(found.into_iter().map(|one| one.container_id));
                    }
                    Action::RemoveOrphan { container } => handled.push(container),
                }
            }
            handled.sort();
            prop_assert_eq!(taken_up, programs);
            prop_assert_eq!(handled, listed.iter().map(|l| l.container_id.clone()).collect::<Vec<_>>());
        }
    }
}
