"""Training LDDU on a feature store: settings, losses at work, runs that survive being killed."""
