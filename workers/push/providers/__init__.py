"""The providers: what leaves towards APNs, FCM, Web Push, e-mail and SMS. No database."""
