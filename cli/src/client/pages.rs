//! Lists that come a page at a time.

use serde::de::DeserializeOwned;

use super::{Client, ClientError, percent_encoded};
use crate::wire::{ProgramBody, ProgramsBody, TicketBody, TicketsBody, TokenBody, TokensBody};

/// More pages than this cannot be looked through by name.
pub(super) const MAX_PAGES: usize = 100;

/// One page: what stands on it, and where the next begins, if there is one.
pub(super) trait Page: DeserializeOwned {
    type Item;

    fn turn(self) -> (Vec<Self::Item>, Option<String>);
}

impl Page for ProgramsBody {
    type Item = ProgramBody;

    fn turn(self) -> (Vec<ProgramBody>, Option<String>) {
        (self.programs, self.next)
    }
}

impl Page for TicketsBody {
    type Item = TicketBody;

    fn turn(self) -> (Vec<TicketBody>, Option<String>) {
        (self.tickets, self.next)
    }
}

impl Page for TokensBody {
    type Item = TokenBody;

    fn turn(self) -> (Vec<TokenBody>, Option<String>) {
        (self.tokens, self.next)
    }
}

impl Client {
    /// The whole of a list; `path` has a query already.
    pub(super) fn all<P: Page>(&self, path: &str) -> Result<Vec<P::Item>, ClientError> {
        let mut all = Vec::new();
        let mut place = String::new();
        for _ in 0..MAX_PAGES {
            let (items, next) = self.get::<P>(&format!("{path}{place}"))?.turn();
            all.extend(items);
            let Some(cursor) = next else { break };
            place = format!("&cursor={}", percent_encoded(&cursor));
        }
        Ok(all)
    }
}
