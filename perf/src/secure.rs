//! A broker that lets nobody do anything: TLS, SCRAM-SHA-512 and access control lists. For the test itself there is a plain
//! listener, on which everybody is a super user.
//!
//! The certificate comes from `keytool`, which stands beside every `java`: self-signed, so that it is its own authority.

use crate::broker::{self, Broker, Listener, Options, StartError};
use crate::child::Spawn;
use crate::error::{Error, Result};
use crate::topics::wait_until;
use crate::{jars, node, ports};
use rdkafka::ClientConfig;
use rdkafka::bindings as native;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::{BaseProducer, Producer};
use std::ffi::CString;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The only user.
pub const USER: &str = "alice";

/// Her password.
pub const PASSWORD: &str = "alice-secret";

const STORE_PASSWORD: &str = "store-secret";
const WITHIN: Duration = Duration::from_secs(30);

/// Such a broker.
#[derive(Debug)]
pub struct Secure {
    broker: &'static Broker,
    bootstrap: String,
    certificate: PathBuf,
}

/// Something that the user may do.
#[derive(Clone, Copy, Debug)]
pub enum Grant<'a> {
    /// Read a topic, which includes a look at it.
    ReadTopic(&'a str),
    /// Write to a topic, which includes a look at it.
    WriteTopic(&'a str),
    /// Look at a topic.
    DescribeTopic(&'a str),
    /// Be a member of a group and commit its offsets.
    ReadGroup(&'a str),
    /// Look at a group's offsets.
    DescribeGroup(&'a str),
    /// Produce in transactions with this id.
    WriteTransactionalId(&'a str),
}

impl Secure {
    /// One that lives as long as the process; `None` after printing why the test is skipped.
    ///
    /// # Panics
    /// As [`Broker::for_tests`].
    pub fn for_process() -> Option<Secure> {
        let (options, bootstrap, certificate) = broker::found_or_skipped(plan())?;
        let broker = Broker::for_process(options)?;
        Some(Secure { broker, bootstrap, certificate })
    }

    /// Where the user connects, by TLS and SCRAM-SHA-512.
    pub fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    /// Where everybody may do everything.
    pub fn plain_bootstrap(&self) -> &str {
        self.broker.bootstrap()
    }

    /// The authority to trust, as PEM.
    pub fn certificate(&self) -> &Path {
        &self.certificate
    }

    /// Lets the user do these things, and waits until the broker knows it. The first must be about a topic.
    pub fn allow(&self, grants: &[Grant<'_>]) -> Result<()> {
        let client: BaseProducer = ClientConfig::new()
            .set("bootstrap.servers", self.plain_bootstrap())
            .set("log_level", "2")
            .create()?;
        let bindings = grants.iter().map(|grant| grant.binding()).collect::<Result<Vec<_>>>()?;
        let queue = Queue::of(&client);
        let mut pointers: Vec<_> = bindings.iter().map(|binding| binding.0).collect();
        // SAFETY: client, bindings and queue are alive; the call copies the bindings; no options means the defaults.
        unsafe {
            native::rd_kafka_CreateAcls(
                client.client().native_ptr(),
                pointers.as_mut_ptr(),
                pointers.len(),
                std::ptr::null(),
                queue.0,
            );
        }
        queue.wait_for_acls()?;
        let (_, topic, _) = grants.first().ok_or_else(|| Error::new("nothing is allowed"))?.parts();
        self.wait_until_seen(topic)
    }

    /// All rules of a request take effect at once, so one that can be seen stands for all.
    fn wait_until_seen(&self, topic: &str) -> Result<()> {
        let user: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", &self.bootstrap)
            .set("security.protocol", "sasl_ssl")
            .set("sasl.mechanism", "SCRAM-SHA-512")
            .set("sasl.username", USER)
            .set("sasl.password", PASSWORD)
            .set("ssl.ca.location", self.certificate.display().to_string())
            .set("allow.auto.create.topics", "false")
            .set("log_level", "2")
            .create()?;
        wait_until(&format!("{USER} may not look at {topic}"), WITHIN, || {
            let metadata = user.fetch_metadata(Some(topic), WITHIN)?;
            Ok(metadata.topics().iter().all(|topic| topic.error().is_none()))
        })
    }
}

fn plan() -> std::result::Result<(Options, String, PathBuf), StartError> {
    jars::directory()?;
    let port = ports::free(1).map_err(Error::from)?[0];
    // Beside the data of brokers, so that it is removed as they are.
    let dir = node::data_directory(port)?;
    let (store, certificate) = (dir.join("broker.p12"), dir.join("broker.pem"));
    make_certificate(&store, &certificate)?;
    let mut options = Options::own()
        .property("ssl.keystore.type", "PKCS12")
        .property("ssl.keystore.location", store.display())
        .property("ssl.keystore.password", STORE_PASSWORD)
        .property("sasl.enabled.mechanisms", "SCRAM-SHA-512")
        .property(
            "listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config",
            "org.apache.kafka.common.security.scram.ScramLoginModule required;",
        )
        .property("authorizer.class.name", "org.apache.kafka.metadata.authorizer.StandardAuthorizer")
        .property("super.users", "User:ANONYMOUS")
        .property("allow.everyone.if.no.acl.found", false);
    options.listener = Some(Listener {
        name: "SASL_SSL".to_owned(),
        protocol: "SASL_SSL".to_owned(),
        port,
        // The certificate is for a name, not for an address.
        advertised: format!("localhost:{port}"),
    });
    options.format_args =
        vec!["--add-scram".to_owned(), format!("SCRAM-SHA-512=[name={USER},password={PASSWORD}]")];
    Ok((options, format!("localhost:{port}"), certificate))
}

fn make_certificate(store: &Path, certificate: &Path) -> Result<()> {
    let (store, certificate) = (store.display().to_string(), certificate.display().to_string());
    let common = ["-alias", "broker", "-keystore", &store, "-storepass", STORE_PASSWORD];
    let make = ["-genkeypair", "-keyalg", "RSA", "-keysize", "2048", "-dname", "CN=localhost"];
    let more = [
        "-ext",
        "SAN=dns:localhost,ip:127.0.0.1",
        "-ext",
        "bc=ca:true",
        "-validity",
        "30",
        "-storetype",
        "PKCS12",
    ];
    keytool(&[&make[..], &more, &common].concat())?;
    keytool(&[&["-exportcert", "-rfc", "-file", &certificate][..], &common].concat())
}

fn keytool(args: &[&str]) -> Result<()> {
    let child = Spawn::new(jars::java().with_file_name("keytool")).args(args.iter().copied()).start()?;
    match child.wait(WITHIN) {
        Some(exit) if exit.is_success() => Ok(()),
        _ => Err(Error(format!("keytool: {}", [child.stdout(), child.stderr()].concat().join("\n")))),
    }
}

impl<'a> Grant<'a> {
    fn parts(self) -> (native::rd_kafka_ResourceType_t, &'a str, native::rd_kafka_AclOperation_t) {
        use native::rd_kafka_AclOperation_t as Operation;
        use native::rd_kafka_ResourceType_t as Resource;
        match self {
            Grant::ReadTopic(name) => {
                (Resource::RD_KAFKA_RESOURCE_TOPIC, name, Operation::RD_KAFKA_ACL_OPERATION_READ)
            }
            Grant::WriteTopic(name) => {
                (Resource::RD_KAFKA_RESOURCE_TOPIC, name, Operation::RD_KAFKA_ACL_OPERATION_WRITE)
            }
            Grant::DescribeTopic(name) => {
                (Resource::RD_KAFKA_RESOURCE_TOPIC, name, Operation::RD_KAFKA_ACL_OPERATION_DESCRIBE)
            }
            Grant::ReadGroup(name) => {
                (Resource::RD_KAFKA_RESOURCE_GROUP, name, Operation::RD_KAFKA_ACL_OPERATION_READ)
            }
            Grant::DescribeGroup(name) => {
                (Resource::RD_KAFKA_RESOURCE_GROUP, name, Operation::RD_KAFKA_ACL_OPERATION_DESCRIBE)
            }
            Grant::WriteTransactionalId(id) => {
                (Resource::RD_KAFKA_RESOURCE_TRANSACTIONAL_ID, id, Operation::RD_KAFKA_ACL_OPERATION_WRITE)
            }
        }
    }

    fn binding(self) -> Result<Binding> {
        let (resource, name, operation) = self.parts();
        let [name, principal, host] =
            [name, &format!("User:{USER}"), "*"].map(|text| CString::new(text).expect("names have no NUL"));
        // SAFETY: the strings are alive and copied by the call; without room for an error's text it writes none.
        let binding = unsafe {
            native::rd_kafka_AclBinding_new(
                resource,
                name.as_ptr(),
                native::rd_kafka_ResourcePatternType_t::RD_KAFKA_RESOURCE_PATTERN_LITERAL,
                principal.as_ptr(),
                host.as_ptr(),
                operation,
                native::rd_kafka_AclPermissionType_t::RD_KAFKA_ACL_PERMISSION_TYPE_ALLOW,
                std::ptr::null_mut(),
                0,
            )
        };
        if binding.is_null() {
            Err(Error(format!("the client does not take {self:?}")))
        } else {
            Ok(Binding(binding))
        }
    }
}

struct Binding(*mut native::rd_kafka_AclBinding_t);

impl Drop for Binding {
    fn drop(&mut self) {
        // SAFETY: made by AclBinding_new, destroyed once.
        unsafe { native::rd_kafka_AclBinding_destroy(self.0) };
    }
}

struct Queue(*mut native::rd_kafka_queue_t);

impl Queue {
    fn of(client: &BaseProducer) -> Queue {
        // SAFETY: the client is alive, and outlives the queue: its owner declared it first.
        Queue(unsafe { native::rd_kafka_queue_new(client.client().native_ptr()) })
    }

    fn wait_for_acls(&self) -> Result<()> {
        // SAFETY: the queue is alive; the event is ours and destroyed once, after the last look at what it holds.
        unsafe {
            let timeout = i32::try_from(WITHIN.as_millis()).expect("half a minute");
            let event = native::rd_kafka_queue_poll(self.0, timeout);
            if event.is_null() {
                return Err(Error::new("the broker did not answer about access control lists"));
            }
            let code = native::rd_kafka_event_error(event);
            let result = native::rd_kafka_event_CreateAcls_result(event);
            let mut failed =
                code != native::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR || result.is_null();
            if !failed {
                let mut count = 0;
                let acls = native::rd_kafka_CreateAcls_result_acls(result, &mut count);
                for at in 0..count {
                    failed |= !native::rd_kafka_acl_result_error(*acls.add(at)).is_null();
                }
            }
            native::rd_kafka_event_destroy(event);
            if failed { Err(Error(format!("access control lists were not made ({code:?})"))) } else { Ok(()) }
        }
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        // SAFETY: made in `of`, destroyed once.
        unsafe { native::rd_kafka_queue_destroy(self.0) };
    }
}
