//! The arguments of the commands about the host itself: its tickets and its tokens.

use clap::{Args, Subcommand, ValueEnum};

use super::ClientArgs;
use crate::wire::Scope;

/// `hersh tickets`
#[derive(Clone, Debug, Args)]
pub struct TicketsArgs {
    /// What to do with tickets.
    #[command(subcommand)]
    pub command: TicketsCommand,
}

/// What can be done with tickets.
#[derive(Clone, Debug, Subcommand)]
pub enum TicketsCommand {
    /// List tickets
    List(TicketsListArgs),
    /// Show everything about tickets
    Show(TicketNamesArgs),
    /// Have tickets worked on now, from the first attempt on
    Retry(TicketNamesArgs),
    /// Have tickets not worked on any more
    Cancel(TicketNamesArgs),
}

/// `hersh tickets list`
#[derive(Clone, Debug, Args)]
#[command(after_long_help = "With --json: {\"tickets\":[ticket…],\"count\"}")]
pub struct TicketsListArgs {
    /// Which host to talk to.
    #[command(flatten)]
    pub client: ClientArgs,
    /// Only tickets of this program
    #[arg(long, value_name = "NAME")]
    pub program: Option<String>,
    /// Only tickets of this status
    #[arg(long, value_enum, value_name = "STATUS")]
    pub status: Option<TicketStatusArg>,
}

/// What a ticket can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TicketStatusArg {
    /// To be worked on, when its time comes.
    Pending,
    /// Being worked on now; pending, too.
    Running,
    /// Worked on, and that is all.
    Done,
    /// Given up.
    Failed,
    /// Called off.
    Cancelled,
}

/// `hersh tickets show`, `retry` and `cancel`
#[derive(Clone, Debug, Args)]
#[command(
    after_long_help = "With --json: [{\"ticket_id\",\"kind\",\"status\",\"program_id\",\"running\",\
    \"attempts\",\"reason\",\"due_at\",\"created_at\",\"updated_at\"}…]"
)]
pub struct TicketNamesArgs {
    /// Which host to talk to.
    #[command(flatten)]
    pub client: ClientArgs,
    /// Ids of tickets, or unique beginnings of them
    #[arg(value_name = "TICKET", required = true)]
    pub tickets: Vec<String>,
}

/// `hersh token`
#[derive(Clone, Debug, Args)]
pub struct TokenArgs {
    /// What to do with tokens.
    #[command(subcommand)]
    pub command: TokenCommand,
}

/// What can be done with tokens.
#[derive(Clone, Debug, Subcommand)]
pub enum TokenCommand {
    /// Make a token, and print it: the only time that it is shown
    Create(TokenCreateArgs),
    /// List tokens; not the secrets, of which the host keeps none
    List(TokenListArgs),
    /// Have tokens let nobody in any more
    Revoke(TokenRevokeArgs),
}

/// `hersh token create`
#[derive(Clone, Debug, Args)]
#[command(
    after_long_help = "With --json: {\"token\",\"token_id\",\"user_id\",\"name\",\"scope\",\"created_at\"}\n\n\
    Whoever has the token sets HERSH_TOKEN to it, or `token` in the configuration file."
)]
pub struct TokenCreateArgs {
    /// Which host to talk to.
    #[command(flatten)]
    pub client: ClientArgs,
    /// Whose programs it is good for; for read and write alone
    #[arg(long, value_name = "USER", required_if_eq_any([("scope", "read"), ("scope", "write")]))]
    pub user: Option<String>,
    /// What it is called in lists
    #[arg(long)]
    pub name: Option<String>,
    /// What it is good for: read or write (one user's programs), monitor (looking at all), admin
    #[arg(long, default_value_t = Scope::Write)]
    pub scope: Scope,
}

/// `hersh token list`
#[derive(Clone, Debug, Args)]
#[command(
    after_long_help = "With --json: {\"tokens\":[{\"token_id\",\"user_id\",\"name\",\"scope\",\"created_at\"}…],\"count\"}"
)]
pub struct TokenListArgs {
    /// Which host to talk to.
    #[command(flatten)]
    pub client: ClientArgs,
}

/// `hersh token revoke`
#[derive(Clone, Debug, Args)]
#[command(after_long_help = "With --json: [{\"token_id\",\"state\",\"message\"}…]")]
pub struct TokenRevokeArgs {
    /// Which host to talk to.
    #[command(flatten)]
    pub client: ClientArgs,
    /// Ids of tokens as `list` shows them, unique beginnings of them, or their names
    #[arg(value_name = "TOKEN", required = true)]
    pub tokens: Vec<String>,
}
