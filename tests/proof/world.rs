//! The brokers under an episode.

use crate::kind::Kind;
use crate::proxy::Proxy;
use perf::broker::{Broker, Listener, Options};
use perf::cluster::Cluster;
use perf::ports;

/// Brokers, started once for all episodes of a kind.
pub(crate) enum World {
    /// One that nothing happens to.
    Broker(&'static Broker),
    /// Three, of which one at a time goes away.
    Cluster(Cluster),
    /// One that the engines reach through a proxy, and the checker directly.
    Proxied(Broker, Proxy),
}

impl World {
    /// `None` where there is no Kafka.
    pub(crate) fn start(kind: Kind) -> Option<Self> {
        match kind {
            Kind::Kills | Kind::Stops | Kind::Rebalances | Kind::Zombies | Kind::Memory => {
                Broker::shared().map(World::Broker)
            }
            Kind::Brokers => {
                let options = Options::own()
                    .heap_mb(256)
                    .property("broker.session.timeout.ms", 3_000)
                    .property("broker.heartbeat.interval.ms", 500);
                Cluster::for_tests(3, &options).map(World::Cluster)
            }
            Kind::Proxy => {
                let port = ports::free(1).unwrap()[0];
                let proxy = Proxy::start(port);
                let listener = Listener {
                    name: "PROXIED".to_owned(),
                    protocol: "PLAINTEXT".to_owned(),
                    port,
                    advertised: proxy.address(),
                };
                let broker = Broker::for_tests(Options { listener: Some(listener), ..Options::own() })?;
                Some(World::Proxied(broker, proxy))
            }
        }
    }

    /// Where the checker connects.
    pub(crate) fn bootstrap(&self) -> &str {
        match self {
            World::Broker(broker) => broker.bootstrap(),
            World::Cluster(cluster) => cluster.bootstrap(),
            World::Proxied(broker, _) => broker.bootstrap(),
        }
    }

    /// Where the engines connect.
    pub(crate) fn for_engines(&self) -> String {
        match self {
            World::Proxied(_, proxy) => proxy.address(),
            _ => self.bootstrap().to_owned(),
        }
    }
}
