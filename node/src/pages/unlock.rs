//! The passphrase: asked for once a session, slower with each wrong one, whoever guesses.

use std::time::{Duration, Instant};

use axum::extract::{Form, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Redirect, Response};
use maud::{Markup, html};
use serde::Deserialize;
use zeroize::Zeroizing;

use super::Front;
use super::form::{error_summary, secret_field};
use super::frame::outside;
use crate::error::CommandError;
use crate::passphrase;

const TITLE: &str = "Unlock this node";

#[derive(Deserialize)]
pub(super) struct Given {
    #[serde(default)]
    passphrase: String,
}

fn form() -> Markup {
    html! {
        form method="post" action="/unlock" id="unlock-form" {
            (secret_field("passphrase", "Passphrase", "", "current-password"))
            button type="submit" { "Unlock" }
        }
        details {
            summary { "It is lost" }
            p { "Whoever may use the command line of this computer can reset it: " code { "datacoop init --reset-passphrase" } "." }
        }
    }
}

pub(super) async fn show(State(front): State<Front>) -> Response {
    match front.door.asks() {
        true => outside(TITLE, &form()),
        false => Redirect::to("/").into_response(),
    }
}

pub(super) async fn unlock(
    State(front): State<Front>,
    headers: HeaderMap,
    Form(Given { passphrase }): Form<Given>,
) -> Response {
    let given = Zeroizing::new(passphrase);
    if let Err(left) = front.door.begin_try(Instant::now()) {
        return again("It is too early to try again", left, StatusCode::TOO_MANY_REQUESTS);
    }
    let home = front.home.clone();
    let right = tokio::task::spawn_blocking(move || passphrase::matches(&home, &given)).await;
    match right {
        Ok(Ok(true)) => match front.door.unlock(&headers, Instant::now(), false) {
            Some(cookie) => ([(header::SET_COOKIE, cookie)], Redirect::to("/")).into_response(),
            None => Redirect::to("/enter").into_response(),
        },
        Ok(Ok(false)) => {
            let left = front.door.wait(Instant::now());
            again("That passphrase is not right", left, StatusCode::FORBIDDEN)
        }
        Ok(Err(error)) => wrong(&CommandError::failed(error.to_string()), StatusCode::INTERNAL_SERVER_ERROR),
        Err(error) => wrong(&CommandError::failed(error.to_string()), StatusCode::INTERNAL_SERVER_ERROR),
    }
}

/// What went wrong and how long to wait, in whole seconds.
fn again(what: &str, left: Duration, status: StatusCode) -> Response {
    let seconds = left.as_secs() + u64::from(left.subsec_nanos() > 0);
    let plural = if seconds == 1 { "second" } else { "seconds" };
    let text = format!("{what}. Try again in {seconds} {plural}.");
    let mut response = wrong(&CommandError::usage(text), status);
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    response
}

fn wrong(error: &CommandError, status: StatusCode) -> Response {
    let body = html! { (error_summary(error)) (form()) };
    let mut response = outside(&format!("Error: {TITLE}"), &body);
    *response.status_mut() = status;
    response
}
