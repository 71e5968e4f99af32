//! What goes wrong with tickets, on its way to C.

use hersh::kharon::{
    AddError, GroupError, InvalidName, InvalidTicket, RunError, SettingsError, StoreError,
    UpdateError,
};

use crate::error::Failure;
use crate::status::HershStatus;

const fn of_store(error: &StoreError) -> HershStatus {
    if error.fault.is_transient() {
        HershStatus::StoreUnavailable
    } else {
        HershStatus::StoreBroken
    }
}

const fn of_adding(error: &AddError) -> HershStatus {
    match error {
        AddError::Exists { .. } => HershStatus::Exists,
        AddError::KeyTaken { .. } => HershStatus::KeyTaken,
        AddError::NoGroup => HershStatus::NotFound,
        AddError::GroupClosed => HershStatus::Closed,
        AddError::Store(store) => of_store(store),
        _ => HershStatus::InvalidArgument,
    }
}

impl From<AddError> for Failure {
    fn from(error: AddError) -> Self {
        Self::new(of_adding(&error), error)
    }
}

impl From<UpdateError> for Failure {
    fn from(error: UpdateError) -> Self {
        use UpdateError as E;
        let status = match &error {
            E::NotFound => HershStatus::NotFound,
            E::StaleClaim => HershStatus::StaleClaim,
            E::Settled { .. } => HershStatus::Settled,
            E::NotDead { .. } => HershStatus::State,
            E::KeyTaken { .. } => HershStatus::KeyTaken,
            E::Store(store) => of_store(store),
            _ => HershStatus::InvalidArgument,
        };
        Self::new(status, error)
    }
}

impl From<GroupError> for Failure {
    fn from(error: GroupError) -> Self {
        let status = match &error {
            GroupError::Exists => HershStatus::Exists,
            GroupError::NotFound => HershStatus::NotFound,
            GroupError::Pending { .. } => HershStatus::State,
            GroupError::Finalizer(adding) => of_adding(adding),
            GroupError::Store(store) => of_store(store),
            _ => HershStatus::InvalidArgument,
        };
        Self::new(status, error)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::new(of_store(&error), error)
    }
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Self {
        let status = match &error {
            RunError::Running => HershStatus::State,
            RunError::Router(_) => HershStatus::InvalidArgument,
            _ => HershStatus::Os,
        };
        Self::new(status, error)
    }
}

impl From<InvalidName> for Failure {
    fn from(error: InvalidName) -> Self {
        Self::new(HershStatus::InvalidArgument, error)
    }
}

impl From<InvalidTicket> for Failure {
    fn from(error: InvalidTicket) -> Self {
        Self::new(HershStatus::InvalidArgument, error)
    }
}

impl From<SettingsError> for Failure {
    fn from(error: SettingsError) -> Self {
        Self::new(HershStatus::Config, error)
    }
}
