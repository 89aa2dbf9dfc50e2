//! The only home of `rdkafka` and of `unsafe`.

pub mod admin;
mod apart;
mod code;
mod commit;
mod consumer;
pub mod context;
pub mod feeder;
mod headers;
mod message;
pub mod mock;
mod outage;
mod ownership;
mod producer;
pub mod properties;
mod queue;
pub mod reader;
mod reading;
mod rebalance;
mod sockets;
mod transactions;
mod wake;

pub use code::{ClientError, Code, Delivery, GroupRefusal};
pub use commit::{CommitReplies, Reply, Stored};
pub use consumer::{GroupConsumer, start_of};
pub use headers::{Headers, HeadersRef};
pub use message::{RecordSize, Records};
pub use producer::{Outgoing, Producer, Report, SendError};
pub use reading::{Cut, Notice, Reading, Room};
pub use rebalance::GroupEvent;
pub use transactions::{Membership, TRANSACTION_TIMEOUT, TransactionError, Transactions};
pub use wake::WakeFn;
