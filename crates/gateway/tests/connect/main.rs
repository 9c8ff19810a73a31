//! People who connect accounts of their own, by the pages and by LiteLLM's paths.

#[cfg(test)]
mod accounts;
#[cfg(test)]
mod addresses;
#[cfg(test)]
mod mix_up;
#[cfg(test)]
mod relay;
#[cfg(test)]
mod support;
