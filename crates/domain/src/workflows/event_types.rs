//! Types of the events of a run that several crates write or look for. What is stored has them: they never change.

/// A turn began. Its first event.
pub const TURN_STARTED: &str = "workflow_turn_started";
/// A call of a tool was made.
pub const TOOL_EXECUTED: &str = "tool_executed";
/// The turn ended with an answer.
pub const COMPLETED: &str = "workflow_completed";
/// The turn ended and waits for a person.
pub const PAUSED: &str = "workflow_paused";
/// The turn ended with a failure.
pub const FAILED: &str = "workflow_failed";
/// The turn, or its waiting for a person, was interrupted.
pub const INTERRUPTED: &str = "workflow_interrupted";
/// The run was made from a part of another.
pub const FORKED: &str = "workflow_forked";
