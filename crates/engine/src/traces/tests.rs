//! What is read of a trace, what is told of a request, and what becomes of spans when nobody takes them.

mod collector;
mod reading;
mod telling;
