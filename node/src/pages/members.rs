//! Who belongs: what each member may do, who controls it, and its keys as words to read on the phone.

use std::collections::BTreeSet;

use axum::extract::State;
use axum::response::Response;
use datacoop_policy::MemberId;
use datacoop_policy::charter::{Charter, Member};
use datacoop_protocol::charter_text::member_fingerprint;
use datacoop_protocol::words;
use maud::{Markup, html};

use super::charter::six_groups;
use super::{frame_of, stopped};
use crate::clock;
use crate::driver::Handle;
use crate::html::day_words;

const HERE: &str = "/members";

pub(super) async fn members(State(handle): State<Handle>) -> Response {
    let frame = frame_of(&handle).await;
    let seen = handle.view(|member| {
        let connected: BTreeSet<MemberId> = member.connected().cloned().collect();
        (member.fold().charter_at(member.me(), clock::now()).clone(), member.me().clone(), connected)
    });
    let Some((charter, me, connected)) = seen.await else { return frame.error(HERE, &stopped()) };
    let (ours, others): (Vec<&Member>, Vec<&Member>) =
        charter.members().iter().partition(|member| member.id == me);
    let body = html! {
        p { "Each member's words stand for its register number, name, body and keys. " strong { "Read these to them on the phone. They must match." } " Ring a number that you did not have from them in writing." }
        p { a href="/charter" { "The charter" } " says how members join and leave. " a href="/members/leave" { "Leave to ask" } " says who may ask for a coordinator." }
        @for member in ours.into_iter().chain(others) {
            (member_html(&charter, member, &me, connected.contains(&member.id)))
        }
    };
    frame.page(HERE, "Members", &body)
}

fn member_html(charter: &Charter, member: &Member, me: &MemberId, connected: bool) -> Markup {
    let roles: Vec<&str> = member.roles.iter().map(|role| role.code()).collect();
    let name =
        |id: &MemberId| charter.member(id).map_or_else(|| id.to_string(), |member| member.name.clone());
    let names = |ids: &[MemberId]| ids.iter().map(name).collect::<Vec<_>>().join(", ");
    html! {
        section class="card" {
            h2 { (member.name) @if member.id == *me { " (this node)" } }
            dl class="pairs" {
                dt { "Register number" } dd { (member.id.as_str()) }
                dt { "Controlled by" } dd { (member.body) }
                dt { "May act as" } dd { (roles.join(", ")) @if member.is_meeting_point() { "; others reach each other through it" } }
                dt { "People in its records" } dd { (member.people_min) " to " (member.people_max) }
                dt { "Its log is witnessed by" } dd { @if member.witnesses.is_empty() { "nobody" } @else { (names(&member.witnesses)) } }
                @if !member.sponsors.is_empty() { dt { "Vouched for by" } dd { (names(&member.sponsors)) } }
                @if member.id != *me { dt { "Now" } dd { @if connected { "connected" } @else { "not connected to this node" } } }
                @if member.dormant { dt { "Standing" } dd { "dormant: not counted, and takes no part" } }
                @else if let Some(notice) = member.notice { dt { "Standing" } dd { "has had notice since " (day_words(notice)) ", for silence" } }
            }
            h3 { "Its words" }
            (six_groups(&words::pairs(&member_fingerprint(member))))
        }
    }
}
