//! What clients of one organisation connect to: every door's routes, under the paths that its configuration names.

use std::sync::Arc;

use axum::Router;
use gateway::{contract, cors, inference_routes, signin};

use super::Wired;

impl Wired {
    /// Everything clients connect to.
    pub fn router(&self) -> Router {
        let all = inference_routes(Arc::clone(&self.door))
            .merge(signin::routes(Arc::clone(&self.signin)))
            .merge(contract::routes(Arc::clone(&self.contract)));
        let mut router = all.clone();
        for path in &self.base_paths {
            router = router.nest(path, all.clone());
        }
        // An administrator's origin is the console's own, so nothing of it stands under the other paths or is open to Office.
        let console = ::console::router(self.console());
        let door = Arc::clone(&self.door);
        let router = router
            .fallback(move |request| {
                gateway::inference::refused::unknown(Arc::clone(&door), request)
            })
            .layer(axum::middleware::from_fn(cors::for_office))
            .merge(console)
            // No web page speaks to a connector, so nothing of it is open to Office.
            .merge(::connectors::routes(Arc::clone(&self.connectors)))
            .merge(signin::console::routes(Arc::clone(&self.signin)))
            // by their whole path, wherever a page of ours stands
            .merge(web::assets::routes());
        self.numbered(router)
    }

    /// The same router, every answer of which carries an `x-request-id`.
    pub fn numbered(&self, router: Router) -> Router {
        let door = Arc::clone(&self.door);
        router.layer(axum::middleware::from_fn_with_state(
            door,
            gateway::answers::numbered,
        ))
    }
}
