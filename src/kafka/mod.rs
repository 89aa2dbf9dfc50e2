//! The only home of `rdkafka` and of `unsafe`.

pub mod admin;
mod code;
mod commit;
mod consumer;
pub mod context;
pub mod feeder;
mod headers;
mod message;
pub mod mock;
mod outage;
mod producer;
pub mod properties;
pub mod reader;
mod rebalance;
mod transactions;
mod wake;

pub use code::{ClientError, Code, Delivery, GroupRefusal};
pub use commit::{CommitReplies, Reply, Stored};
pub use consumer::{GroupConsumer, Notice, start_of};
pub use headers::{Headers, HeadersRef};
pub use message::{RecordSize, Records};
pub use producer::{Outgoing, Producer, Report, SendError};
pub use rebalance::GroupEvent;
pub use transactions::{Membership, TRANSACTION_TIMEOUT, TransactionError, Transactions};
pub use wake::WakeFn;
