//! The device's LwM2M resources, all below object 33311, instance 0.

/// The object that the device's resources belong to.
pub const OBJECT: u32 = 33311;
/// The only instance of [`OBJECT`].
pub const INSTANCE: u32 = 0;

/// Edge Core loses a longer value silently: it keeps lengths in 16 bits.
pub const LARGEST_VALUE: usize = 65_535;

/// One resource of the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resource {
    /// 5701: takes commands, and holds the last command's result.
    Command,
    /// 5702: the configuration without its secrets; a write changes it.
    Configuration,
    /// 5703: for each method seen so far `idle`, `running` or `error`.
    Status,
    /// 5704: the last command's result again, where it can be observed: Edge Core sends no
    /// notifications for resources that can be written or executed.
    LastResult,
    /// 5705: progress of what runs, and health.
    Health,
}

impl Resource {
    /// All of them, in the order of their ids.
    pub const ALL: [Self; 5] =
        [Self::Command, Self::Configuration, Self::Status, Self::LastResult, Self::Health];

    /// The LwM2M resource id.
    pub fn id(self) -> u32 {
        5701 + self.index() as u32
    }

    /// The resource with this path, if it is one of ours.
    pub fn find(object: u32, instance: u32, resource: u32) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|known| object == OBJECT && instance == INSTANCE && known.id() == resource)
    }

    /// What the cloud may do with it, as Edge Core's bit set: 1 READ, 2 WRITE, 4 EXECUTE.
    pub fn operations(self) -> u8 {
        match self {
            Self::Command => 1 | 4,
            Self::Configuration => 1 | 2,
            Self::Status | Self::LastResult | Self::Health => 1,
        }
    }

    fn index(self) -> usize {
        self as usize
    }
}

/// The current value of every resource, and which of them Edge Core does not have yet.
#[derive(Debug)]
pub struct Values {
    texts: [String; 5],
    unsent: [bool; 5],
}

impl Default for Values {
    /// Every resource starts as an empty JSON object: Edge Core takes an empty value for none.
    fn default() -> Self {
        Self { texts: std::array::from_fn(|_| "{}".to_owned()), unsent: [true; 5] }
    }
}

impl Values {
    /// Keeps a new value until Edge Core has it. One that is there already is not sent again,
    /// unless it is a result: a second one that says the same is news to who observes it.
    pub fn set(&mut self, resource: Resource, text: String) {
        debug_assert!(text.len() <= LARGEST_VALUE);
        let index = resource.index();
        let is_result = matches!(resource, Resource::Command | Resource::LastResult);
        if is_result || self.texts[index] != text {
            self.texts[index] = text;
            self.unsent[index] = true;
        }
    }

    /// The current value.
    pub fn text(&self, resource: Resource) -> &str {
        &self.texts[resource.index()]
    }

    /// Edge Core has lost everything: all is to be sent again.
    pub fn forget_sent(&mut self) {
        self.unsent = [true; 5];
    }

    /// Edge Core has something else than this resource's value.
    pub fn forget(&mut self, resource: Resource) {
        self.unsent[resource.index()] = true;
    }

    /// What Edge Core does not have yet, from now on taken as sent.
    pub fn take_unsent(&mut self) -> Vec<(Resource, String)> {
        let unsent = std::mem::take(&mut self.unsent);
        Resource::ALL
            .into_iter()
            .filter(|resource| unsent[resource.index()])
            .map(|resource| (resource, self.text(resource).to_owned()))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_find_their_resource() {
        assert_eq!(Resource::find(33311, 0, 5701), Some(Resource::Command));
        assert_eq!(Resource::find(33311, 0, 5705), Some(Resource::Health));
        assert_eq!(Resource::find(33311, 0, 5706), None);
        assert_eq!(Resource::find(33311, 1, 5701), None);
        assert_eq!(Resource::find(3, 0, 5701), None);
    }

    #[test]
    fn a_value_is_sent_once() {
        let mut values = Values::default();
        assert_eq!(values.take_unsent().len(), 5);
        assert!(values.take_unsent().is_empty());
        values.set(Resource::Status, "{}".to_owned());
        assert!(values.take_unsent().is_empty(), "the value did not change");
        values.set(Resource::Status, "{\"predict\":\"idle\"}".to_owned());
        let unsent = values.take_unsent();
        assert_eq!(unsent, [(Resource::Status, "{\"predict\":\"idle\"}".to_owned())]);
        values.set(Resource::LastResult, "{}".to_owned());
        assert_eq!(values.take_unsent(), [(Resource::LastResult, "{}".to_owned())]);
        values.forget(Resource::Configuration);
        assert_eq!(values.take_unsent().len(), 1);
        values.forget_sent();
        assert_eq!(values.take_unsent().len(), 5);
    }
}
