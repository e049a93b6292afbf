//! Charges what an operator holds back between its input and its output. Window functions give out as many rows as they
//! take in, in order; the difference is what they hold.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
};

use datafusion::{
    error::Result,
    execution::{
        TaskContext,
        memory_pool::{MemoryConsumer, MemoryReservation},
    },
    physical_plan::{SendableRecordBatchStream, stream::RecordBatchStreamAdapter},
};
use futures_util::StreamExt;

use super::batch_bytes;

/// What the partitions of one operator hold.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    partitions: Mutex<HashMap<usize, Arc<Mutex<Held>>>>,
}

/// What one partition holds: rows and bytes of batches that are not given out yet.
#[derive(Debug)]
struct Held {
    reservation: MemoryReservation,
    batches: VecDeque<(usize, usize)>,
}

impl Held {
    fn take_in(&mut self, rows: usize, bytes: usize) -> Result<()> {
        self.reservation.try_grow(bytes)?;
        self.batches.push_back((rows, bytes));
        Ok(())
    }

    fn give_out(&mut self, mut rows: usize) {
        while let Some((held, bytes)) = self.batches.front_mut() {
            if *held > rows {
                *held -= rows;
                break;
            }
            rows -= *held;
            self.reservation.shrink(*bytes);
            self.batches.pop_front();
        }
    }
}

impl Ledger {
    fn partition(&self, partition: usize, context: &TaskContext) -> Arc<Mutex<Held>> {
        // Every step leaves the map whole, so a panic elsewhere does not spoil it.
        let mut partitions = self.partitions.lock().unwrap_or_else(PoisonError::into_inner);
        partitions
            .entry(partition)
            .or_insert_with(|| {
                let reservation = MemoryConsumer::new("window functions").register(context.memory_pool());
                Arc::new(Mutex::new(Held { reservation, batches: VecDeque::new() }))
            })
            .clone()
    }

    /// Charges the rows that go in.
    pub(super) fn input(
        &self,
        partition: usize,
        context: &TaskContext,
        input: SendableRecordBatchStream,
    ) -> SendableRecordBatchStream {
        let held = self.partition(partition, context);
        let schema = input.schema();
        let charged = input.map(move |batch| {
            let batch = batch?;
            let mut held = held.lock().unwrap_or_else(PoisonError::into_inner);
            held.take_in(batch.num_rows(), batch_bytes(&batch))?;
            Ok(batch)
        });
        Box::pin(RecordBatchStreamAdapter::new(schema, charged))
    }

    /// Releases the rows that come out.
    pub(super) fn output(
        &self,
        partition: usize,
        context: &TaskContext,
        output: SendableRecordBatchStream,
    ) -> SendableRecordBatchStream {
        let held = self.partition(partition, context);
        let schema = output.schema();
        let released = output.inspect(move |batch| {
            if let Ok(batch) = batch {
                held.lock().unwrap_or_else(PoisonError::into_inner).give_out(batch.num_rows());
            }
        });
        Box::pin(RecordBatchStreamAdapter::new(schema, released))
    }
}
