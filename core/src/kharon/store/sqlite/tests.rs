use super::*;
use crate::kharon::conformance::{Subject, run_all};
use crate::kharon::store::IfExists;
use crate::kharon::ticket::NewTicket;
use crate::kharon::time::VirtualClock;
use std::cell::Cell;
use std::fs;
use std::thread;
use std::time::Duration;
use tempfile::TempDir;

struct Sqlite {
    clock: Arc<VirtualClock>,
    folder: TempDir,
    made: Cell<u32>,
}

impl Subject for Sqlite {
    fn fresh(&self) -> Arc<dyn Store> {
        self.made.set(self.made.get() + 1);
        let path = self.folder.path().join(format!("{}.db", self.made.get()));
        let options = SqliteOptions { durability: Durability::Normal, ..SqliteOptions::default() };
        let store = SqliteStore::open_with(path, &options, Arc::clone(&self.clock));
        Arc::new(store.unwrap())
    }

    fn pass(&self, _: &dyn Store, time: Duration) {
        self.clock.advance(time);
    }
}

#[test]
fn it_conforms() {
    let folder = tempfile::tempdir().unwrap();
    run_all(&Sqlite { clock: Arc::default(), folder, made: Cell::default() });
}

fn add(store: &SqliteStore, id: &str) {
    let ticket = NewTicket::new(id, "work").unwrap();
    let added = store.add(vec![Addition { ticket, if_exists: IfExists::Refuse }]).unwrap();
    assert!(added.iter().all(Result::is_ok), "{added:?}");
}

#[test]
fn a_file_that_is_not_ours_is_refused_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    let other = folder.path().join("other.db");
    Connection::open(&other).unwrap().execute_batch("CREATE TABLE t (x)").unwrap();
    for content in [b"a letter".to_vec(), vec![7; 5000], fs::read(&other).unwrap()] {
        fs::write(&path, &content).unwrap();
        let refused = SqliteStore::open(&path).unwrap_err();
        assert_eq!(refused.fault, StoreFault::Foreign, "{refused}");
        assert_eq!(fs::read(&path).unwrap(), content);
    }
    let left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().path()).collect();
    assert_eq!(left.len(), 2, "{left:?}");
}

#[test]
fn a_file_that_lost_its_end_is_refused_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tickets.db");
    let store = SqliteStore::open(&path).unwrap();
    (0..500).for_each(|number| add(&store, &number.to_string()));
    drop(store);
    let whole = fs::read(&path).unwrap();
    let torn = &whole[..whole.len() / 2];
    fs::write(&path, torn).unwrap();
    let refused = SqliteStore::open(&path).unwrap_err();
    assert_eq!(refused.fault, StoreFault::Corrupt, "{refused}");
    assert_eq!(fs::read(&path).unwrap(), torn);
}

#[test]
fn a_file_of_a_later_version_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tickets.db");
    drop(SqliteStore::open(&path).unwrap());
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let refused = SqliteStore::open(&path).unwrap_err();
    assert_eq!(refused.fault, StoreFault::TooNew, "{refused}");
}

#[test]
fn tickets_are_there_after_opening_again_and_tokens_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tickets.db");
    let poll = Poll {
        tubes: vec![Label::default_tube()],
        at_most: 1,
        lease: Duration::from_secs(3600),
        budgets: Vec::new(),
    };
    let mut last = None;
    for round in 0..3 {
        let store = SqliteStore::open(&path).unwrap();
        assert_eq!(store.stats().unwrap().pending, round);
        add(&store, &round.to_string());
        let claimed = store.poll_pending(&poll).unwrap().tickets.remove(0);
        assert!(claimed.token() > last, "a token came twice");
        last = claimed.token();
        store.verify().unwrap();
    }
}

#[test]
fn two_handles_on_one_file_share_its_tickets_and_never_a_claim() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tickets.db");
    let stores = [SqliteStore::open(&path).unwrap(), SqliteStore::open(&path).unwrap()];
    (0..200).for_each(|number| add(&stores[number % 2], &number.to_string()));
    let poll = Poll {
        tubes: vec![Label::default_tube()],
        at_most: 7,
        lease: Duration::from_secs(3600),
        budgets: Vec::new(),
    };
    let claimed: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> = stores
            .iter()
            .map(|store| {
                let poll = &poll;
                scope.spawn(move || {
                    let mut claimed = Vec::new();
                    loop {
                        let tickets = store.poll_pending(poll).unwrap().tickets;
                        if tickets.is_empty() {
                            return claimed;
                        }
                        claimed.extend(tickets);
                    }
                })
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(claimed.len(), 200);
    let mut tokens: Vec<_> = claimed.iter().map(Ticket::token).collect();
    let mut ids: Vec<_> = claimed.iter().map(|ticket| ticket.id.clone()).collect();
    tokens.sort();
    tokens.dedup();
    ids.sort();
    ids.dedup();
    assert_eq!((tokens.len(), ids.len()), (200, 200));
}

#[test]
fn many_make_one_file_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tickets.db");
    thread::scope(|scope| {
        for number in 0..4 {
            let path = &path;
            scope.spawn(move || add(&SqliteStore::open(path).unwrap(), &number.to_string()));
        }
    });
    let store = SqliteStore::open(&path).unwrap();
    assert_eq!(store.stats().unwrap().pending, 4);
    let left = fs::read_dir(folder.path()).unwrap();
    assert!(left.into_iter().all(|entry| !entry.unwrap().path().ends_with(".new")));
}

#[test]
fn types_without_tickets_are_given_up_and_can_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tickets.db");
    let stores = [SqliteStore::open(&path).unwrap(), SqliteStore::open(&path).unwrap()];
    let lanes = || -> i64 {
        let file = Connection::open(&path).unwrap();
        file.query_row("SELECT count(*) FROM lanes", [], |row| row.get(0)).unwrap()
    };
    for round in 0..3 {
        for number in 0..20 {
            let ticket = NewTicket::new(format!("{number}"), format!("kind {number}")).unwrap();
            let addition = Addition { ticket, if_exists: IfExists::Refuse };
            stores[number % 2].add(vec![addition]).unwrap().remove(0).unwrap();
        }
        assert_eq!(lanes(), 20);
        assert_eq!(stores[0].stats().unwrap().pending, 20);
        let delete = |number| Update {
            id: TicketId::new(format!("{number}")).unwrap(),
            token: None,
            change: crate::kharon::store::Change::Delete,
        };
        // By the one that did not make the lane, so that the other has to notice.
        for number in 0..20 {
            stores[(number + round) % 2].update(vec![delete(number)]).unwrap().remove(0).unwrap();
        }
        assert_eq!(lanes(), 0);
        assert_eq!(stores[1].stats().unwrap().total(), 0);
    }
    add(&stores[0], "after");
    let poll = Poll {
        tubes: vec![Label::default_tube()],
        at_most: 1,
        lease: Duration::from_secs(3600),
        budgets: Vec::new(),
    };
    assert_eq!(stores[1].poll_pending(&poll).unwrap().tickets.len(), 1);
}

/// What a claim ends with is kept apart from the ticket: it must go with the claim, however that ends.
#[test]
fn no_lease_outlasts_its_tickets() {
    use crate::kharon::store::Change;
    use crate::kharon::ticket::Status;
    let clock = Arc::new(VirtualClock::new());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tickets.db");
    let options = SqliteOptions { durability: Durability::Normal, ..SqliteOptions::default() };
    let open = || SqliteStore::open_with(&path, &options, Arc::clone(&clock)).unwrap();
    let (store, other) = (open(), open());
    (0..9).for_each(|number| add(&store, &number.to_string()));
    let lease = Duration::from_secs(10);
    let tubes = vec![Label::default_tube()];
    let claimed = store.poll_pending(&Poll { tubes, at_most: 9, lease, budgets: Vec::new() });
    let claimed = claimed.unwrap().tickets;
    assert_eq!(store.stats().unwrap().claimed, 9);
    let finish = |keep| Change::Finish {
        status: Status::Done,
        keep,
        expire_in: None,
        reason: None,
        payload: None,
    };
    let retry = Change::Retry { delay: Duration::ZERO, nice: None, reason: None, payload: None };
    let changes = [
        (true, finish(true)),
        (true, finish(false)),
        (false, finish(true)),
        (true, retry),
        (true, Change::Release),
        (false, Change::Delete),
        (true, Change::Extend { lease: lease * 2 }),
        (true, finish(true)),
    ];
    for (ticket, (fenced, change)) in claimed.iter().zip(changes) {
        let token = ticket.token().filter(|_| fenced);
        let update = Update { id: ticket.id.clone(), token, change };
        // The last of them by a process that did not claim it.
        let by = if ticket.id == "7" { &other } else { &store };
        by.update(vec![update]).unwrap().remove(0).unwrap();
    }
    let leases = || -> Vec<(i64, Vec<u8>)> {
        let file = Connection::open(&path).unwrap();
        let mut list =
            file.prepare("SELECT open, seqs FROM ledger WHERE until > 0 ORDER BY until").unwrap();
        let rows = list.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        rows.map(Result::unwrap).collect()
    };
    let open: Vec<_> = leases().into_iter().map(|(open, _)| open).collect();
    assert_eq!(open, [1, 1], "the last ticket, and the one whose claim was made longer");
    assert_eq!(store.stats().unwrap().claimed, 2);
    clock.advance(lease * 3);
    let tubes = vec![Label::default_tube()];
    let again = other.poll_pending(&Poll { tubes, at_most: 9, lease, budgets: Vec::new() });
    let again: Vec<_> = again.unwrap().tickets.into_iter().map(|ticket| ticket.id).collect();
    assert_eq!(again, ["3", "4", "6", "8"]);
    assert_eq!(leases().len(), 1);
}
