//! `/tokens`: who may use the host. For its admin alone.

use hersh::http::Response;

use super::error::ApiError;
use super::query::Query;
use super::routes::Call;
use super::text;
use crate::host::registry::{NewToken, TokenView, is_token_id};
use crate::program::UserId;
use crate::wire::{CreateToken, CreatedToken, RevokedToken, TokenBody};

type Answer = Result<Response, ApiError>;

const MAX_BODY_BYTES: u64 = 16 * 1024;

pub(super) fn create(call: &mut Call<'_, '_>) -> Answer {
    Query::parse(call.request.query())?.end()?;
    let (body, _) = text::json::<CreateToken>(call.request, MAX_BODY_BYTES)?;
    let user_id = body.user_id.map(|user| user.parse()).transpose();
    let user_id = user_id.map_err(|error| ApiError::new(400, format!("user_id: {error}")))?;
    let new = NewToken { user_id, name: body.name, scope: body.scope };
    let (token, view) = call.api.host.create_token(new)?;
    let created = CreatedToken { token, about: body_of(view) };
    Ok(Response::json(201, &created).header("Cache-Control", "no-store"))
}

pub(super) fn list(call: &mut Call<'_, '_>) -> Answer {
    let mut query = Query::parse(call.request.query())?;
    let user: Option<UserId> = query.value("user")?;
    let (limit, cursor) = (query.limit()?, query.text("cursor"));
    query.end()?;
    if cursor.as_ref().is_some_and(|cursor| !is_token_id(cursor)) {
        return Err(ApiError::new(400, "parameter `cursor` must be the `next` of a page"));
    }
    Ok(Response::json(200, &call.api.host.tokens(user.as_ref(), limit, cursor)))
}

pub(super) fn revoke(call: &mut Call<'_, '_>, id: &str) -> Answer {
    Query::parse(call.request.query())?.end()?;
    text::none(call.request)?;
    call.api.host.revoke_token(id)?;
    let revoked = RevokedToken {
        token_id: id.to_owned(),
        state: "revoked".to_owned(),
        message: "the token lets nobody in any more".to_owned(),
    };
    Ok(Response::json(200, &revoked))
}

fn body_of(view: TokenView) -> TokenBody {
    TokenBody {
        token_id: view.token_id,
        user_id: view.user_id.map(String::from),
        name: view.name,
        scope: view.scope,
        created_at: view.created_at.to_string(),
    }
}
