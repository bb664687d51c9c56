//! The next boot: what ipadm's daemon sets from the lines that ipadm keeps, what a service of `tune`'s sets where ipadm
//! keeps nothing, and what start scripts set after both.

mod next;
mod replay;
mod scripts;

pub(crate) use next::{NextBoot, Predicted, Which, default_of, put, range};
