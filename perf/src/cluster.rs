//! Three (or more) brokers, each also a controller: what the loss of one of them does can only be tried here.
//!
//! Topics have as many replicas as there are nodes (at most 3), `min.insync.replicas` is one less, and no leader is ever
//! elected from replicas that lag.

use crate::broker::{self, Options, READY_WITHIN, StartError};
use crate::error::{Error, Result};
use crate::jars;
use crate::node::{self, Node, Plan, Quorum};
use crate::ports;
use crate::topics::Topics;
use std::sync::{Mutex, MutexGuard};

/// A running cluster. Shared between threads as it is; stopped, and its data removed, when dropped.
#[derive(Debug)]
pub struct Cluster {
    bootstrap: String,
    nodes: Vec<Mutex<Node>>,
}

impl Cluster {
    /// Starts `count` nodes and waits until all of them answer. `GRISTMILL_TEST_KAFKA` is not used.
    pub fn start(count: usize, options: &Options) -> std::result::Result<Cluster, StartError> {
        let jars = jars::directory()?;
        let ports = ports::free(2 * count).map_err(Error::from)?;
        let (listen, control) = ports.split_at(count);
        let controllers: Vec<String> = control.iter().map(|port| format!("127.0.0.1:{port}")).collect();
        let ids = 1..=u32::try_from(count).expect("a cluster of a few nodes");
        // The nodes know each other from the start by the ids of their directories.
        let initial: Vec<String> =
            ids.clone().zip(&controllers).map(|(id, at)| format!("{id}@{at}:{}", node::uuid(id))).collect();
        let initial = initial.join(",");
        let mut nodes = Vec::new();
        for (id, (&port, &controller)) in ids.zip(listen.iter().zip(control)) {
            let dir = node::data_directory(port)?;
            let mut properties = broker::common_properties();
            properties.extend(broker::listeners(port, controller));
            properties.extend(replicated(count));
            properties.push(("node.id".into(), id.to_string()));
            properties.push(("log.dirs".into(), dir.join("log").display().to_string()));
            properties.push(("controller.quorum.bootstrap.servers".into(), controllers.join(",")));
            properties.extend(options.properties.iter().cloned());
            let (cluster_id, quorum) = (&node::uuid(0), Quorum::Of { initial_controllers: &initial });
            let heap_mb = options.heap_mb;
            nodes.push(Node::format(Plan {
                jars: &jars,
                dir,
                port,
                heap_mb,
                cluster_id,
                quorum,
                format_args: &options.format_args,
                properties,
            })?);
        }
        for node in &mut nodes {
            node.launch()?;
        }
        let bootstrap: Vec<String> = listen.iter().map(|port| format!("127.0.0.1:{port}")).collect();
        let cluster =
            Cluster { bootstrap: bootstrap.join(","), nodes: nodes.into_iter().map(Mutex::new).collect() };
        cluster.wait_ready()?;
        Ok(cluster)
    }

    /// One for a test: `None` after printing why the test is skipped.
    ///
    /// # Panics
    /// When it should have started and did not; with `CI=true` also when there is no Kafka.
    pub fn for_tests(count: usize, options: &Options) -> Option<Cluster> {
        broker::found_or_skipped(Cluster::start(count, options))
    }

    /// The addresses of all nodes, for `bootstrap.servers`.
    pub fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    /// A connection for making topics and asking about them.
    pub fn topics(&self) -> Result<Topics> {
        Topics::new(&self.bootstrap)
    }

    /// SIGTERM for node `id` (from 1), and the wait for its end.
    pub fn stop(&self, id: i32) -> Result<()> {
        self.node(id)?.stop();
        Ok(())
    }

    /// SIGKILL for node `id` (from 1), and the wait for its end.
    pub fn kill(&self, id: i32) -> Result<()> {
        self.node(id)?.kill();
        Ok(())
    }

    /// Starts node `id` again with its data; waits until the cluster counts it again.
    pub fn restart(&self, id: i32) -> Result<()> {
        {
            let mut node = self.node(id)?;
            node.stop();
            node.launch()?;
            node.wait_ready()?;
        }
        self.topics()?.wait_for_broker(id, READY_WITHIN)
    }

    /// SIGSTOP for node `id`: it hangs, its connections stay open.
    pub fn pause(&self, id: i32) -> Result<()> {
        self.node(id)?.pause().then_some(()).ok_or_else(|| Error(format!("node {id} is not running")))
    }

    /// SIGCONT for node `id`.
    pub fn resume(&self, id: i32) -> Result<()> {
        self.node(id)?.resume().then_some(()).ok_or_else(|| Error(format!("node {id} is not running")))
    }

    fn node(&self, id: i32) -> Result<MutexGuard<'_, Node>> {
        let at = usize::try_from(id).ok().and_then(|id| id.checked_sub(1));
        let node = at.and_then(|at| self.nodes.get(at));
        let node = node.ok_or_else(|| Error(format!("nodes are 1 to {}, not {id}", self.nodes.len())))?;
        Ok(node.lock().expect("no one panics with this lock"))
    }

    fn wait_ready(&self) -> Result<()> {
        for node in &self.nodes {
            node.lock().expect("no one panics with this lock").wait_ready()?;
        }
        self.topics()?.wait_for_brokers(self.nodes.len(), READY_WITHIN)
    }
}

fn replicated(count: usize) -> Vec<(String, String)> {
    let replicas = count.min(3).to_string();
    let in_sync = count.min(3).saturating_sub(1).max(1).to_string();
    let pairs = [
        ("num.partitions", "3"),
        ("default.replication.factor", &replicas),
        ("min.insync.replicas", &in_sync),
        ("offsets.topic.replication.factor", &replicas),
        ("transaction.state.log.replication.factor", &replicas),
        ("transaction.state.log.min.isr", &in_sync),
        ("share.coordinator.state.topic.replication.factor", &replicas),
        ("share.coordinator.state.topic.min.isr", &in_sync),
        ("unclean.leader.election.enable", "false"),
    ];
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}
