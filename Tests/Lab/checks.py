class Tally:
    passed=failed=0
    def check(self,*a): print(a)
def check_boot(*a): pass
