//! Durable job queue, leases with fencing, event logs with replay, tracked tasks. Storage by port.
