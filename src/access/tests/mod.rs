mod attacks;
mod keyring;
mod published;
mod rooms;
mod rooms_model;
mod settings;
