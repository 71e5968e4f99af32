//! A server process that ends, or an answer that never arrives, at each statement in turn: what was
//! acknowledged stays, and what was done is not handed out again.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::thread;
use std::time::Duration;

use hersh::kharon::store::postgres::PostgresStore;
use hersh::kharon::store::postgres::client::Client;
use hersh::kharon::store::{Addition, Change, IfExists, Poll, Update};
use hersh::kharon::{
    GroupError, Label, NewGroup, NewTicket, Status, Store, StoreError, StoreFault, Ticket, TicketId,
};

use super::server::Schema;

/// What happens at the chosen statement.
#[derive(Clone, Copy, Debug)]
enum Break {
    /// The server's process is ended before the statement gets there.
    Before,
    /// The statement is carried out, and the answer is lost.
    After,
}

/// Stands between a store and the server, and breaks one connection at one statement.
struct Between {
    address: String,
    left: Arc<AtomicI64>,
    broken: Arc<AtomicBool>,
}

impl Between {
    fn new(server: &str, statement: i64, how: Break) -> Self {
        let (login, rest) = server.rsplit_once('@').unwrap();
        let (host, database) = rest.split_once('/').unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("{login}@{}/{database}", listener.local_addr().unwrap());
        let (left, broken) =
            (Arc::new(AtomicI64::new(statement)), Arc::new(AtomicBool::new(false)));
        let (host, admin) = (host.to_owned(), server.to_owned());
        let (counted, seen) = (Arc::clone(&left), Arc::clone(&broken));
        // Ends with the process of the tests: nobody connects any more.
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let server = TcpStream::connect(&host).unwrap();
                for side in [&client, &server] {
                    side.set_nodelay(true).unwrap();
                }
                let line = Line { left: Arc::clone(&counted), broken: Arc::clone(&seen), how };
                let admin = admin.clone();
                thread::spawn(move || line.carry(&client, &server, &admin));
            }
        });
        Self { address, left, broken }
    }

    /// Whether the statement was reached. From here on nothing is broken any more.
    fn end(&self) -> bool {
        self.left.store(i64::MAX, Ordering::SeqCst);
        self.broken.load(Ordering::SeqCst)
    }
}

struct Line {
    left: Arc<AtomicI64>,
    broken: Arc<AtomicBool>,
    how: Break,
}

impl Line {
    /// Carries messages both ways until one side has had enough.
    fn carry(&self, client: &TcpStream, server: &TcpStream, admin: &str) {
        let deaf = AtomicBool::new(false);
        let pid = AtomicI64::new(0);
        thread::scope(|scope| {
            scope.spawn(|| {
                answers(server, client, &deaf, &pid);
                let _closed = client.shutdown(Shutdown::Both);
            });
            if self.questions(client, server, &deaf, &pid, admin).is_err() {
                let _closed = server.shutdown(Shutdown::Both);
            }
        });
    }

    fn questions(
        &self,
        mut client: &TcpStream,
        mut server: &TcpStream,
        deaf: &AtomicBool,
        pid: &AtomicI64,
        admin: &str,
    ) -> io::Result<()> {
        // The first message has no letter.
        let mut length = [0; 4];
        client.read_exact(&mut length)?;
        let mut body = vec![0; u32::from_be_bytes(length) as usize - 4];
        client.read_exact(&mut body)?;
        server.write_all(&[&length[..], &body].concat())?;
        loop {
            let message = message(client)?;
            let is_statement = matches!(message[0], b'Q' | b'S');
            let chosen = is_statement && self.left.fetch_sub(1, Ordering::SeqCst) == 0;
            if chosen {
                self.broken.store(true, Ordering::SeqCst);
                match self.how {
                    Break::Before => terminate(admin, pid.load(Ordering::SeqCst)),
                    Break::After => deaf.store(true, Ordering::SeqCst),
                }
            }
            server.write_all(&message)?;
        }
    }
}

/// One message, with its letter and its length.
fn message(mut from: &TcpStream) -> io::Result<Vec<u8>> {
    let mut message = vec![0; 5];
    from.read_exact(&mut message)?;
    let length = u32::from_be_bytes([message[1], message[2], message[3], message[4]]) as usize;
    message.resize(length + 1, 0);
    from.read_exact(&mut message[5..])?;
    Ok(message)
}

/// Carries answers to the client. Once it is to hear no more, the server is heard to its end.
fn answers(server: &TcpStream, mut client: &TcpStream, deaf: &AtomicBool, pid: &AtomicI64) {
    while let Ok(message) = message(server) {
        if let [b'K', _, _, _, _, a, b, c, d, ..] = message[..] {
            pid.store(u32::from_be_bytes([a, b, c, d]).into(), Ordering::SeqCst);
        }
        if deaf.load(Ordering::SeqCst) {
            // `Z`: the statement was carried out, and committed where it was to be.
            if message[0] == b'Z' {
                return;
            }
        } else if client.write_all(&message).is_err() {
            return;
        }
    }
}

fn terminate(admin: &str, pid: i64) {
    use hersh::kharon::store::postgres::client::NoTls;
    let mut client = Client::connect(admin, NoTls).unwrap();
    let pid = i32::try_from(pid).unwrap();
    client.query("SELECT pg_terminate_backend($1, 30000)", &[&pid]).unwrap();
}

fn id(name: &str) -> TicketId {
    TicketId::new(name).unwrap()
}

/// What was acknowledged.
#[derive(Default, Debug)]
struct Acknowledged {
    added: Vec<TicketId>,
    done: Vec<TicketId>,
    retried: Vec<TicketId>,
}

/// Nothing but that the server was away may be said, and it must be said.
fn allow<T>(answer: Result<T, StoreError>) -> Option<T> {
    answer.map_err(|error| assert_eq!(error.fault, StoreFault::Unavailable, "{error}")).ok()
}

fn poll() -> Poll {
    let tubes = vec![Label::default_tube()];
    Poll { tubes, at_most: 2, lease: Duration::from_secs(3600), budgets: Vec::new() }
}

fn update(ticket: &Ticket, change: Change) -> Update {
    Update { id: ticket.id.clone(), token: ticket.token(), change }
}

/// A bit of everything, one call after the other.
fn work(store: &PostgresStore) -> Acknowledged {
    let mut acknowledged = Acknowledged::default();
    for names in [["a", "b"], ["c", "d"]] {
        let additions = names.map(|name| {
            let new = NewTicket::new(name, "work").unwrap();
            Addition { ticket: new, if_exists: IfExists::Keep }
        });
        if let Some(answers) = allow(store.add(additions.to_vec())) {
            assert!(answers.iter().all(Result::is_ok));
            acknowledged.added.extend(names.map(id));
        }
    }
    match store.open_group(NewGroup::new("group").unwrap()) {
        // Asked again after it was done, it is there.
        Ok(()) | Err(GroupError::Exists) => {}
        Err(GroupError::Store(error)) => assert_eq!(error.fault, StoreFault::Unavailable),
        Err(error) => panic!("{error}"),
    }
    let done = Change::Finish {
        status: Status::Done,
        keep: true,
        expire_in: None,
        reason: None,
        payload: None,
    };
    let later = Duration::from_secs(3600);
    let retry = Change::Retry { delay: later, nice: None, reason: None, payload: None };
    if let Some(polled) = allow(store.poll_pending(&poll())) {
        let updates = polled.tickets.iter().map(|ticket| update(ticket, done.clone())).collect();
        let turn = store.turn(updates, &poll());
        if let Some(answers) = allow(turn.updated) {
            let ids = polled.tickets.iter().map(|ticket| ticket.id.clone());
            acknowledged
                .done
                .extend(ids.zip(answers).filter_map(|(id, ok)| ok.is_ok().then_some(id)));
        }
        if let Some(Some(ticket)) =
            allow(turn.polled).map(|polled| polled.tickets.into_iter().next())
            && let Some(answers) = allow(store.update(vec![update(&ticket, retry)]))
            && matches!(answers[..], [Ok(())])
        {
            acknowledged.retried.push(ticket.id);
        }
    }
    acknowledged
}

/// Breaks at each statement until there is none left to break at.
fn everywhere(how: Break) {
    let Some(schema) = Schema::new() else { return };
    drop(schema.open());
    let mut admin = schema.client();
    for statement in 0.. {
        assert!(statement < 300, "it never comes to an end");
        let empty =
            "TRUNCATE {0}.tickets, {0}.ready, {0}.delays, {0}.leases, {0}.groups, {0}.tallies";
        admin.batch_execute(&empty.replace("{0}", &schema.name)).unwrap();
        let between = Between::new(&schema.address, statement, how);
        let options = schema.options().connections(1).patience(Duration::from_secs(20));
        let Some(store) = allow(options.connect(&between.address)) else {
            assert!(between.end(), "it failed though nothing was broken");
            continue;
        };
        let acknowledged = work(&store);
        let was_broken = between.end();
        drop(store);
        schema.assert_in_order();
        check(&schema, &acknowledged, statement);
        schema.assert_in_order();
        if !was_broken {
            assert_eq!((acknowledged.added.len(), acknowledged.done.len()), (4, 2));
            assert_eq!(acknowledged.retried.len(), 1);
            assert!(statement > 10, "{statement} statements cannot be all");
            return;
        }
    }
}

fn check(schema: &Schema, acknowledged: &Acknowledged, statement: i64) {
    let store = schema.open();
    let find = |id: &TicketId| {
        let ticket = store.get(id).unwrap();
        ticket.unwrap_or_else(|| panic!("at {statement} {id} is lost: {acknowledged:?}"))
    };
    acknowledged.added.iter().for_each(|id| drop(find(id)));
    for id in &acknowledged.done {
        assert_eq!(find(id).status, Status::Done, "at {statement}");
    }
    for id in &acknowledged.retried {
        let ticket = find(id);
        assert_eq!((ticket.lease, ticket.attempts), (None, 1), "at {statement}");
    }
    let claimed = store.poll_pending(&Poll { at_most: 10, ..poll() }).unwrap().tickets;
    for ticket in &claimed {
        let settled = [&acknowledged.done, &acknowledged.retried].into_iter().flatten();
        assert!(settled.into_iter().all(|id| *id != ticket.id), "at {statement}: {ticket:?}");
    }
    // The queues and the tickets agree: what is neither claimed nor waits is there to be had.
    let stats = store.stats().unwrap();
    let waiting = acknowledged.retried.len() as u64;
    assert!(stats.pending - stats.claimed <= waiting.max(1), "at {statement}: {stats:?}");
}

#[test]
fn nothing_is_lost_by_a_server_process_that_is_ended_before_any_statement() {
    everywhere(Break::Before);
}

#[test]
fn nothing_is_lost_by_an_answer_to_any_statement_that_does_not_arrive() {
    everywhere(Break::After);
}
