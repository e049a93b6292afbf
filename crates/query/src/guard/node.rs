//! The operator that the guards are.

use std::{fmt, sync::Arc};

use datafusion::{
    common::tree_node::TreeNodeRecursion,
    error::Result,
    execution::TaskContext,
    physical_expr::PhysicalExpr,
    physical_plan::{
        ChildrenPropertiesMode, DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties, ReplaceChildrenOptions,
        SendableRecordBatchStream,
    },
};

use super::{cut::cut, hold::Ledger};
use crate::{error::invalid, scope::QueryScope};

/// What a guard does.
#[derive(Debug, Clone)]
pub(super) enum Duty {
    /// Cuts large batches.
    Cut(Arc<QueryScope>),
    /// Lets the operators below use batches of this many rows.
    Rows(usize),
    /// Charges what goes into the operator above.
    In(Arc<Ledger>),
    /// Releases what comes out of the operator below.
    Out(Arc<Ledger>),
}

/// A guard over an operator: it changes neither rows nor their order.
#[derive(Debug)]
pub(super) struct GuardExec {
    duty: Duty,
    input: Arc<dyn ExecutionPlan>,
}

impl GuardExec {
    pub(super) fn over(input: Arc<dyn ExecutionPlan>, duty: Duty) -> Arc<dyn ExecutionPlan> {
        Arc::new(Self { duty, input })
    }
}

impl DisplayAs for GuardExec {
    fn fmt_as(&self, _format: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let duty = match self.duty {
            Duty::Cut(_) => "cut",
            Duty::Rows(_) => "rows",
            Duty::In(_) => "in",
            Duty::Out(_) => "out",
        };
        write!(f, "GuardExec: {duty}")
    }
}

impl ExecutionPlan for GuardExec {
    fn name(&self) -> &'static str {
        "GuardExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.input.properties()
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false]
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn apply_expressions(
        &self,
        _apply: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
        _options: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        match (children.pop(), children.is_empty()) {
            (Some(input), true) => Ok(Self::over(input, self.duty.clone())),
            _ => Err(invalid("a guard stands over one operator")),
        }
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        self.replace_children(children, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        match &self.duty {
            Duty::Cut(scope) => Ok(cut(self.input.execute(partition, context)?, scope.clone())),
            Duty::Rows(rows) => self.input.execute(partition, with_rows(&context, *rows)),
            Duty::In(ledger) => {
                let input = self.input.execute(partition, context.clone())?;
                Ok(ledger.input(partition, &context, input))
            }
            Duty::Out(ledger) => {
                let output = self.input.execute(partition, context.clone())?;
                Ok(ledger.output(partition, &context, output))
            }
        }
    }
}

/// The same context with another size of batches.
fn with_rows(context: &TaskContext, rows: usize) -> Arc<TaskContext> {
    Arc::new(TaskContext::new(
        context.task_id(),
        context.session_id(),
        context.session_config().clone().with_batch_size(rows),
        context.scalar_functions().clone(),
        context.higher_order_functions().clone(),
        context.aggregate_functions().clone(),
        context.window_functions().clone(),
        context.runtime_env(),
    ))
}
