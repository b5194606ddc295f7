//! What a flow was found to speak.

use serde::{Deserialize, Serialize};

use crate::protocol::Service;

/// Protocols that a flow speaks, as conn.log names them, in the order of confirmation. Nearly
/// always it is one.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct Services(List);

#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
enum List {
    #[default]
    None,
    One(Service),
    Many(Vec<Service>),
}

impl Services {
    /// All of them.
    pub fn as_slice(&self) -> &[Service] {
        match &self.0 {
            List::None => &[],
            List::One(service) => std::slice::from_ref(service),
            List::Many(services) => services,
        }
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        matches!(self.0, List::None)
    }

    /// These and another.
    pub(crate) fn and(mut self, service: Option<Service>) -> Self {
        if let Some(service) = service {
            self.add(service);
        }
        self
    }

    pub(super) fn add(&mut self, service: Service) {
        debug_assert!(
            Service::named(service.0).is_some(),
            "{service:?} is not listed"
        );
        if self.as_slice().contains(&service) {
            return;
        }
        match &mut self.0 {
            List::None => self.0 = List::One(service),
            List::One(first) => self.0 = List::Many(vec![*first, service]),
            List::Many(services) => services.push(service),
        }
    }

    pub(super) fn remove(&mut self, service: Service) {
        let left = self.as_slice().iter().filter(|known| **known != service);
        let left: Vec<Service> = left.copied().collect();
        self.0 = match left.as_slice() {
            [] => List::None,
            [one] => List::One(*one),
            _ => List::Many(left),
        };
    }
}

impl FromIterator<Service> for Services {
    fn from_iter<T: IntoIterator<Item = Service>>(services: T) -> Self {
        let mut all = Self::default();
        services.into_iter().for_each(|service| all.add(service));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_stay_in_the_order_of_confirmation() {
        let names = |services: &Services| {
            let names: Vec<_> = services.as_slice().iter().map(|one| one.0).collect();
            names.join(",")
        };
        let mut services = Services::default();
        assert!(services.is_empty());
        for (name, want) in [("http", "http"), ("ssl", "http,ssl"), ("http", "http,ssl")] {
            services.add(Service(name));
            assert_eq!(names(&services), want);
        }
        services.add(Service("dns"));
        for (name, want) in [
            ("ssl", "http,dns"),
            ("ftp", "http,dns"),
            ("http", "dns"),
            ("dns", ""),
        ] {
            services.remove(Service(name));
            assert_eq!(names(&services), want);
        }
        assert!(services.is_empty());
    }
}
