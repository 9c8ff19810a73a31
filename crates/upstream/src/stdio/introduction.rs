//! What a process that serves everybody is told once: that it is initialized.

use tokio::sync::OnceCell;

/// Whether it was told, and who is just telling it.
#[derive(Debug, Default)]
pub(crate) struct Introduction(OnceCell<()>);

impl Introduction {
    /// Tells it, unless it was told. Whoever comes meanwhile waits until it is, and tells it in the
    /// place of one that could not.
    pub(super) async fn once<E, F>(&self, tell: impl FnOnce() -> F) -> Result<(), E>
    where
        F: Future<Output = Result<(), E>>,
    {
        self.0.get_or_try_init(tell).await.copied()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::Notify;

    use super::*;

    #[tokio::test]
    async fn two_at_once_tell_it_once_and_both_go_on_when_it_was_told() {
        let (introduction, told, go_on) =
            (Introduction::default(), AtomicUsize::new(0), Notify::new());
        let tell = async || {
            go_on.notified().await;
            told.fetch_add(1, Ordering::Relaxed);
            Ok::<_, ()>(())
        };
        let first = introduction.once(tell);
        let second = async {
            let waiting = introduction.once(async || -> Result<(), ()> { panic!("told twice") });
            let mut waiting = std::pin::pin!(waiting);
            // It is being told, and nobody goes on before it was.
            tokio::select! {
                biased;
                _ = &mut waiting => panic!("did not wait"),
                () = std::future::ready(()) => go_on.notify_one(),
            }
            waiting.await
        };
        let (first, second): (Result<(), ()>, Result<(), ()>) = tokio::join!(biased; first, second);
        assert_eq!((first, second), (Ok(()), Ok(())));
        assert_eq!(told.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn one_that_could_not_be_told_is_told_by_the_next() {
        let introduction = Introduction::default();
        assert_eq!(
            introduction.once(async || Err("it broke")).await,
            Err("it broke")
        );
        let mut told = false;
        let tell = async || {
            told = true;
            Ok::<_, ()>(())
        };
        assert_eq!(introduction.once(tell).await, Ok(()));
        assert!(told);
    }
}
