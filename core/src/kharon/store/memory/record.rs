//! A ticket as it lies in memory: what every ticket has side by side, what few have behind a
//! pointer.

use crate::kharon::name::{Label, TicketId};
use crate::kharon::payload::Payload;
use crate::kharon::schedule::Repeat;
use crate::kharon::ticket::{ClaimToken, Lease, Status, Ticket};
use crate::kharon::time::Timestamp;

/// In which of its lane's queues a ticket is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spot {
    /// In none: it is settled.
    Nowhere,
    /// It can be claimed.
    Ready,
    /// It cannot be claimed before its time, or before its lease is over.
    Waiting,
}

#[derive(Debug)]
pub(super) struct Record {
    pub(super) id: TicketId,
    payload: Payload,
    rare: Option<Box<Rare>>,
    runat: Timestamp,
    ctime: Timestamp,
    mtime: Timestamp,
    /// 0: it was never claimed, or its claim was given up.
    token: u64,
    until: Timestamp,
    /// Counts tickets as they are added.
    pub(super) seq: u64,
    pub(super) lane: u32,
    nice: i32,
    attempts: u32,
    pub(super) status: Status,
    pub(super) spot: Spot,
}

#[derive(Debug, Default)]
struct Rare {
    error_reason: Option<Box<str>>,
    expires_at: Option<Timestamp>,
    group: Option<Label>,
    unique_key: Option<Label>,
    repeat: Option<Box<Repeat>>,
}

/// The place of a ticket among the ready ones of its lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    nice: i32,
    runat: Timestamp,
    seq: u64,
    pub(super) slot: u32,
}

impl Record {
    pub(super) fn new(ticket: Ticket, lane: u32, seq: u64) -> Self {
        let mut record = Self {
            id: ticket.id.clone(),
            payload: Payload::EMPTY,
            rare: None,
            runat: ticket.runat,
            ctime: ticket.ctime,
            mtime: ticket.mtime,
            token: 0,
            until: Timestamp::EPOCH,
            seq,
            lane,
            nice: ticket.nice,
            attempts: 0,
            status: ticket.status,
            spot: Spot::Nowhere,
        };
        record.write(ticket);
        record
    }

    /// Takes over what a ticket has come to. Its names, its tube and its type stay.
    pub(super) fn write(&mut self, ticket: Ticket) {
        let Ticket { error_reason, expires_at, group, unique_key, repeat, .. } = ticket;
        let rare = Rare { error_reason, expires_at, group, unique_key, repeat };
        self.rare = (!rare.is_empty()).then(|| Box::new(rare));
        self.payload = ticket.payload;
        self.nice = ticket.nice;
        self.runat = ticket.runat;
        self.status = ticket.status;
        self.attempts = ticket.attempts;
        self.ctime = ticket.ctime;
        self.mtime = ticket.mtime;
        self.token = ticket.lease.map_or(0, |lease| lease.token.0);
        self.until = ticket.lease.map_or(Timestamp::EPOCH, |lease| lease.until);
    }

    /// Takes over what a claim changes.
    pub(super) fn claim(&mut self, ticket: &Ticket) {
        self.attempts = ticket.attempts;
        self.mtime = ticket.mtime;
        self.token = ticket.lease.map_or(0, |lease| lease.token.0);
        self.until = ticket.lease.map_or(Timestamp::EPOCH, |lease| lease.until);
    }

    pub(super) fn ticket(&self, kind: &Label, tube: &Label) -> Ticket {
        let mut ticket = Ticket::bare(self.id.clone(), kind.clone(), tube.clone());
        ticket.payload = self.payload.clone();
        ticket.nice = self.nice;
        ticket.runat = self.runat;
        ticket.status = self.status;
        ticket.attempts = self.attempts;
        ticket.ctime = self.ctime;
        ticket.mtime = self.mtime;
        ticket.lease =
            self.is_leased().then_some(Lease { token: ClaimToken(self.token), until: self.until });
        if let Some(rare) = &self.rare {
            ticket.error_reason.clone_from(&rare.error_reason);
            ticket.expires_at = rare.expires_at;
            ticket.group.clone_from(&rare.group);
            ticket.unique_key.clone_from(&rare.unique_key);
            ticket.repeat.clone_from(&rare.repeat);
        }
        ticket
    }

    pub(super) const fn is_leased(&self) -> bool {
        self.token != 0
    }

    pub(super) const fn key(&self, slot: u32) -> Key {
        Key { nice: self.nice, runat: self.runat, seq: self.seq, slot }
    }

    /// When it can be claimed, if it is pending.
    pub(super) fn ready_at(&self) -> Timestamp {
        self.runat.max(self.until)
    }

    pub(super) fn group(&self) -> Option<&Label> {
        self.rare.as_ref()?.group.as_ref()
    }

    pub(super) fn unique_key(&self) -> Option<&Label> {
        self.rare.as_ref()?.unique_key.as_ref()
    }

    pub(super) fn expires_at(&self) -> Option<Timestamp> {
        self.rare.as_ref()?.expires_at
    }
}

impl Rare {
    const fn is_empty(&self) -> bool {
        self.error_reason.is_none()
            && self.expires_at.is_none()
            && self.group.is_none()
            && self.unique_key.is_none()
            && self.repeat.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_small() {
        assert!(size_of::<Record>() <= 112, "{}", size_of::<Record>());
        assert_eq!(size_of::<Option<Record>>(), size_of::<Record>());
        assert_eq!(size_of::<Key>(), 24);
    }
}
