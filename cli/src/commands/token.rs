//! `hersh token`

use super::{Session, one_of};
use crate::args::{TokenArgs, TokenCommand, TokenCreateArgs, TokenListArgs, TokenRevokeArgs};
use crate::output::table::Table;
use crate::output::{Exit, Failure};
use crate::wire::{CreateToken, TokenBody, TokensBody};

pub(super) fn run(args: &TokenArgs, session: &mut Session<'_>) -> Result<Exit, Failure> {
    match &args.command {
        TokenCommand::Create(args) => create(args, session),
        TokenCommand::List(args) => list(args, session),
        TokenCommand::Revoke(args) => revoke(args, session),
    }
}

fn create(args: &TokenCreateArgs, session: &mut Session<'_>) -> Result<Exit, Failure> {
    if args.scope.is_of_a_user() && args.user.is_none() {
        let what = format!("a token of scope {} is good for one user's programs", args.scope);
        return Err(Failure::new(Exit::Usage, what).with_remedy("say whose with --user"));
    }
    let client = session.client(&args.client)?;
    let token =
        CreateToken { user_id: args.user.clone(), name: args.name.clone(), scope: args.scope };
    let created = client.create_token(&token)?;
    if session.output.style().json {
        session.output.json(&created)?;
    } else {
        session.output.data(format!("{}\n", created.token))?;
        let id = &created.about.token_id;
        session.output.say(format!("it is not shown again; `hersh token revoke {id}` ends it"));
    }
    Ok(Exit::Ok)
}

fn list(args: &TokenListArgs, session: &mut Session<'_>) -> Result<Exit, Failure> {
    let tokens = session.client(&args.client)?.tokens()?;
    if session.output.style().json {
        let count = tokens.len();
        session.output.json(&TokensBody { tokens, count, next: None })?;
    } else {
        session.output.data(render(&tokens))?;
    }
    Ok(Exit::Ok)
}

fn revoke(args: &TokenRevokeArgs, session: &mut Session<'_>) -> Result<Exit, Failure> {
    let client = session.client(&args.client)?;
    let all = client.tokens()?;
    let mut exit = Exit::Ok;
    let mut revoked = Vec::new();
    for wanted in &args.tokens {
        let token = one_of(&all, wanted, "token", |token| {
            std::iter::once(&token.token_id).chain(&token.name).collect()
        });
        match token.and_then(|token| Ok(client.revoke_token(&token.token_id)?)) {
            Ok(answer) => {
                session.output.say(format!("{}: {}", answer.token_id, answer.message));
                revoked.push(answer);
            }
            Err(failure) => {
                session.output.failure(&failure);
                exit = exit.and(failure.exit());
            }
        }
    }
    if session.output.style().json {
        session.output.json(&revoked)?;
    }
    Ok(exit)
}

fn render(tokens: &[TokenBody]) -> String {
    let mut table = Table::new(&["TOKEN", "SCOPE", "USER", "NAME", "CREATED"]);
    for token in tokens {
        let scope = token.scope.to_string();
        let (user, name) = (token.user_id.as_deref(), token.name.as_deref());
        table.row([
            &token.token_id,
            scope.as_str(),
            user.unwrap_or_default(),
            name.unwrap_or_default(),
            &token.created_at,
        ]);
    }
    table.render()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Scope;

    #[test]
    fn a_list_of_tokens() {
        let token = TokenBody {
            token_id: "1f0a".into(),
            user_id: Some("ann".into()),
            name: Some("ann's laptop".into()),
            scope: Scope::Write,
            created_at: "2026-01-01T00:00:00Z".into(),
        };
        let admin = TokenBody { scope: Scope::Admin, token_id: "2".into(), ..TokenBody::default() };
        assert_eq!(render(&[token, admin]), include_str!("../../tests/snapshots/tokens.txt"));
    }
}
