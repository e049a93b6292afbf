//! The life of a worker: started, asked, and started anew when it dies, until it is told to stop or given up.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use gristmill_runtime::sandbox::SandboxBackend;
use tokio::{
    sync::{mpsc, watch},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use super::{
    Job, Shared, WorkerError, WorkerSpec, WorkerStatus,
    launch::{self, Launched, NotStarted, why},
    link::{Broken, Link},
    protocol::{Answer, Operation, Reply},
};

/// How long a sandbox whose connection has ended may take to say why.
const EXIT_PATIENCE: Duration = Duration::from_secs(3);

pub(super) struct Supervisor {
    pub(super) backend: Arc<dyn SandboxBackend>,
    pub(super) spec: WorkerSpec,
    pub(super) shared: Arc<Shared>,
    pub(super) status: watch::Sender<WorkerStatus>,
    pub(super) stop: CancellationToken,
    pub(super) stopping: CancellationToken,
}

/// How the service of one sandbox ended.
enum End {
    Told,
    Died { reason: String, hopeless: bool },
}

/// Requests that are answered by one line.
struct Batch {
    operation: Operation,
    jobs: Vec<Job>,
}

impl Supervisor {
    pub(super) async fn run(self, mut jobs: mpsc::Receiver<Job>) {
        let mut deaths_in_a_row = 0;
        loop {
            match self.live(&mut jobs, &mut deaths_in_a_row).await {
                End::Told => break,
                End::Died { reason, hopeless } => {
                    deaths_in_a_row += 1;
                    self.shared.deaths.fetch_add(1, Ordering::Relaxed);
                    tracing::warn!(worker.name = self.spec.name, reason, deaths_in_a_row, "a serving worker died");
                    if hopeless || deaths_in_a_row >= self.spec.settings.deaths_max {
                        jobs.close();
                        self.status.send_replace(WorkerStatus::Failed { reason: reason.clone() });
                        refuse_waiting(&mut jobs, &WorkerError::Failed(reason));
                        return;
                    }
                    self.status.send_replace(WorkerStatus::Restarting { reason: reason.clone() });
                    refuse_waiting(&mut jobs, &WorkerError::NotReady(format!("{reason}; it is being restarted")));
                    if self.told_while(tokio::time::sleep(self.pause(deaths_in_a_row))).await.is_none() {
                        break;
                    }
                }
            }
        }
        jobs.close();
        self.status.send_replace(WorkerStatus::Stopped);
        refuse_waiting(&mut jobs, &WorkerError::Stopped);
    }

    /// One sandbox from its start to its end; nothing of it is left.
    async fn live(&self, jobs: &mut mpsc::Receiver<Job>, deaths_in_a_row: &mut u32) -> End {
        let show = |sandbox| self.shared.show(Some(sandbox));
        let starting = async {
            let launched = launch::launch(&*self.backend, &self.spec, &show).await?;
            Ok::<_, NotStarted>(launched)
        };
        let started = self.told_while(tokio::time::timeout(self.spec.settings.startup_timeout, starting)).await;
        let end = match started {
            None => End::Told,
            Some(Ok(Ok(launched))) => self.serve(launched, jobs, deaths_in_a_row).await,
            Some(Ok(Err(error))) => {
                self.shared.keep_log(error.log);
                End::Died { reason: error.reason, hopeless: error.hopeless }
            }
            Some(Err(_elapsed)) => {
                let seconds = self.spec.settings.startup_timeout.as_secs();
                End::Died { reason: format!("it did not load the model within {seconds} seconds"), hopeless: false }
            }
        };
        if let Some(sandbox) = self.shared.sandbox() {
            let log = sandbox.log_tail().await;
            if !log.is_empty() {
                self.shared.keep_log(log);
            }
            self.shared.show(None);
            sandbox.kill().await;
        }
        end
    }

    async fn serve(&self, launched: Launched, jobs: &mut mpsc::Receiver<Job>, deaths_in_a_row: &mut u32) -> End {
        let Launched { sandbox, stream, directory: _directory } = launched;
        let mut link = Link::new(stream, self.spec.settings.line_bytes_max);
        let ready = self.told_while(tokio::time::timeout(self.spec.settings.startup_timeout, link.ready())).await;
        let broken = match ready {
            None => return End::Told,
            Some(Err(_elapsed)) => Broken::Hangs,
            Some(Ok(Err(broken))) => broken,
            Some(Ok(Ok(()))) => {
                self.status.send_replace(WorkerStatus::Ready);
                match self.answer_all(&mut link, jobs, deaths_in_a_row).await {
                    Ok(()) => return End::Told,
                    // Who waited for this answer is told why there is none.
                    Err((broken, batch)) => {
                        let reason = self.reason(broken, &*sandbox).await;
                        let error = match broken {
                            Broken::Hangs => WorkerError::TimedOut(self.spec.settings.request_timeout),
                            Broken::Gone | Broken::Nonsense | Broken::Floods => WorkerError::Died(reason.clone()),
                        };
                        // From here on nobody else waits for it.
                        self.status.send_replace(WorkerStatus::Restarting { reason: reason.clone() });
                        batch.into_iter().for_each(|job| job.tell(Err(error.clone())));
                        return End::Died { reason, hopeless: false };
                    }
                }
            }
        };
        End::Died { reason: self.reason(broken, &*sandbox).await, hopeless: false }
    }

    async fn reason(&self, broken: Broken, sandbox: &dyn gristmill_runtime::sandbox::Sandbox) -> String {
        if let Some(reason) = broken.reason() {
            return reason.to_owned();
        }
        match tokio::time::timeout(EXIT_PATIENCE, sandbox.wait()).await {
            Ok(exit) => why(&exit, &sandbox.log_tail().await, &self.spec.limits),
            Err(_elapsed) => "it closed its connection".to_owned(),
        }
    }

    /// Answers until it is told to stop, or until the worker breaks: then with the requests that it leaves unanswered.
    async fn answer_all(
        &self,
        link: &mut Link,
        jobs: &mut mpsc::Receiver<Job>,
        deaths_in_a_row: &mut u32,
    ) -> Result<(), (Broken, Vec<Job>)> {
        let settings = &self.spec.settings;
        let mut held = None;
        loop {
            let first = match held.take() {
                Some(job) => job,
                None => tokio::select! {
                    biased;
                    () = self.stop.cancelled() => return Ok(()),
                    () = self.stopping.cancelled() => return Ok(()),
                    broken = link.idle() => return Err((broken, Vec::new())),
                    job = jobs.recv() => match job {
                        Some(job) => job,
                        None => return Ok(()),
                    },
                    () = tokio::time::sleep(settings.probe_every) => {
                        match link.exchange(Operation::Health, &[], 0, settings.request_timeout).await {
                            Ok(Answer::Reply(Reply::Healthy)) => continue,
                            Ok(_) => return Err((Broken::Nonsense, Vec::new())),
                            Err(broken) => return Err((broken, Vec::new())),
                        }
                    }
                },
            };
            let batch = self.collect(first, jobs, &mut held).await;
            if batch.jobs.is_empty() {
                continue;
            }
            match self.told_while(self.answer(link, batch)).await {
                // The jobs are dropped with the batch; who waits sees that it is stopped.
                None => return Ok(()),
                Some(Ok(())) => *deaths_in_a_row = 0,
                Some(Err((broken, mut jobs))) => {
                    jobs.extend(held);
                    return Err((broken, jobs));
                }
            }
        }
    }

    /// Gathers predictions that can be answered together; the first that cannot is held back.
    async fn collect(&self, first: Job, jobs: &mut mpsc::Receiver<Job>, held: &mut Option<Job>) -> Batch {
        let settings = &self.spec.settings;
        let operation = first.operation;
        let (mut rows, mut bytes) = (first.count, first.rows.len());
        let mut batch = Batch { operation, jobs: vec![first] };
        let deadline = Instant::now() + settings.batch_delay;
        while operation == Operation::Predict && rows < settings.batch_rows_max {
            // What waits already is taken without waiting for more.
            let next = match jobs.try_recv() {
                Ok(job) => Some(job),
                Err(_nobody_or_closed) => tokio::time::timeout_at(deadline, jobs.recv()).await.ok().flatten(),
            };
            let Some(job) = next else { break };
            let fits = rows + job.count <= settings.batch_rows_max
                && bytes + job.rows.len() + super::protocol::ENVELOPE_BYTES < settings.line_bytes_max;
            if job.operation != Operation::Predict || !fits {
                *held = Some(job);
                break;
            }
            rows += job.count;
            bytes += job.rows.len() + 1;
            batch.jobs.push(job);
        }
        // Who gave up waiting wants no answer.
        batch.jobs.retain(|job| !job.reply.is_closed());
        batch
    }

    /// Answers a batch. Rows of one caller that the model refuses are no reason to refuse the others: then each is asked
    /// for alone.
    async fn answer(&self, link: &mut Link, mut batch: Batch) -> Result<(), (Broken, Vec<Job>)> {
        match self.exchange(link, &batch.jobs, batch.operation).await {
            Err(broken) => Err((broken, batch.jobs)),
            Ok(Answer::Rejected { .. }) if batch.jobs.len() > 1 => {
                while !batch.jobs.is_empty() {
                    let alone = vec![batch.jobs.swap_remove(0)];
                    match self.exchange(link, &alone, batch.operation).await {
                        Ok(answer) => deliver(answer, alone),
                        Err(broken) => {
                            batch.jobs.extend(alone);
                            return Err((broken, batch.jobs));
                        }
                    }
                }
                Ok(())
            }
            Ok(answer) => {
                deliver(answer, batch.jobs);
                Ok(())
            }
        }
    }

    async fn exchange(&self, link: &mut Link, jobs: &[Job], operation: Operation) -> Result<Answer, Broken> {
        let rows: Vec<&str> = jobs.iter().map(|job| job.rows.as_str()).collect();
        let count = jobs.iter().map(|job| job.count).sum();
        link.exchange(operation, &rows, count, self.spec.settings.request_timeout).await
    }

    /// Waits for something, or returns `None` when it is told to stop before.
    async fn told_while<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => None,
            () = self.stopping.cancelled() => None,
            done = work => Some(done),
        }
    }

    /// The pause before a restart: doubled with each death in a row, up to a half shorter by chance, so that workers
    /// that died together do not start together.
    fn pause(&self, deaths_in_a_row: u32) -> Duration {
        let settings = &self.spec.settings;
        let doubled =
            settings.pause_first.saturating_mul(1_u32.checked_shl(deaths_in_a_row.saturating_sub(1)).unwrap_or(u32::MAX));
        doubled.min(settings.pause_max).mul_f64(0.5 + 0.5 * rand::random::<f64>())
    }
}

impl Job {
    fn tell(self, answer: Result<Reply, WorkerError>) {
        // Who left needs none.
        drop(self.reply.send(answer));
    }
}

fn refuse_waiting(jobs: &mut mpsc::Receiver<Job>, error: &WorkerError) {
    while let Ok(job) = jobs.try_recv() {
        job.tell(Err(error.clone()));
    }
}

/// Gives each caller its part of an answer.
fn deliver(answer: Answer, jobs: Vec<Job>) {
    match answer {
        Answer::Rejected { code, message, field } => {
            let error = WorkerError::Rejected { code, message, field };
            jobs.into_iter().for_each(|job| job.tell(Err(error.clone())));
        }
        Answer::Reply(Reply::Predictions(predictions)) => {
            // As many as there are rows: that was checked when the line was read.
            let mut rest = predictions.into_iter();
            for job in jobs {
                let own = rest.by_ref().take(job.count).collect();
                job.tell(Ok(Reply::Predictions(own)));
            }
        }
        Answer::Reply(reply) => jobs.into_iter().for_each(|job| job.tell(Ok(reply.clone()))),
    }
}
