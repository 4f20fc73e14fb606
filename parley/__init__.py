"""The process: settings, resources, app, embedded servers, command line."""
