//! One Jupyter kernel in one sandbox: started, spoken with, stopped.

mod client;
mod launch;
mod run;
mod wire;
mod zmtp;

pub(crate) use self::{
    client::Kernel,
    launch::{LaunchPlan, launch},
    run::{RunEnd, Signal},
};
