//! Stories that a co-operative can be judged by before there is one: what an event day does to children, and who would
//! see it; four ways in which a year could go. Numbers come from runs; the words around them are nobody's forecast.
//!
//! `event_day` makes the children, and asks; `futures` plays a year of them.

pub mod event_day;
pub mod futures;
