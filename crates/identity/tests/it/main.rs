//! Identity, from its front door, over the in-memory store and a clock that the tests turn.

#[cfg(test)]
mod bearer;
#[cfg(test)]
mod cache;
#[cfg(test)]
mod memory;
#[cfg(test)]
mod passwords;
#[cfg(test)]
mod personal_tokens;
#[cfg(test)]
mod port_contract;
#[cfg(test)]
mod profile;
#[cfg(test)]
mod providers;
#[cfg(test)]
mod recovery;
#[cfg(test)]
mod refresh;
#[cfg(test)]
mod sign_in;
#[cfg(test)]
mod support;
#[cfg(test)]
mod throttles;
