from mrisynth.benchmarks.machine import Machine, this_machine


def test_this_machine_has_a_name():
    machine = this_machine()
    assert machine.processor
    assert machine.cores >= 1
    assert str(machine).startswith(machine.processor)


def test_a_machine_in_words():
    assert str(Machine("EPYC and H100", 8, True)) == "EPYC and H100, 8 cores, bfloat16 in hardware"
    assert str(Machine("Core", 2, False)) == "Core, 2 cores, no bfloat16 in hardware"
