"""The worker process: due steps, webhooks of providers, queued jobs and periodic tasks."""
