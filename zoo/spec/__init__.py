"""What users declare: suites, teachers, students, methods, tasks and how they are measured."""
