//! One Jupyter kernel in one sandbox: started, spoken with, stopped.

mod client;
mod launch;
mod run;
mod variables;
mod waiting;
mod wire;
mod zmtp;

pub(crate) use self::{
    client::{Kernel, Watched},
    launch::{LaunchPlan, launch},
    run::{RunEnd, Signal},
};
